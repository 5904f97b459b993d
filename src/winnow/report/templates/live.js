// The live page asks its own server how far the study is, and takes over a new report without losing the place.

const EVERY_MILLISECONDS = 2000;

function follow() {
  const ask = async () => {
    try {
      const state = await (await fetch("state.json", { cache: "no-store" })).json();
      document.getElementById("live-text").textContent = state.text;
      Object.assign(document.getElementById("live-bar"), { max: state.total, value: state.done });
      if (String(state.version) !== document.getElementById("live").dataset.version) await takeOver();
    } catch {
      document.getElementById("live-text").textContent = "The server does not answer: winnow watch has ended, or sleeps.";
    }
    setTimeout(ask, EVERY_MILLISECONDS);
  };
  setTimeout(ask, EVERY_MILLISECONDS);
}

/** Puts the new report in the place of the old one; open details, choices and the scroll position stay. */
async function takeOver() {
  const fresh = new DOMParser().parseFromString(await (await fetch(".", { cache: "no-store" })).text(), "text/html");
  const opened = [...document.querySelectorAll("details")].map((each) => each.open);
  const scrolled = window.scrollY;
  document.querySelector("main").replaceWith(fresh.querySelector("main"));
  document.querySelectorAll('script[type="application/json"]').forEach((each) => each.remove());
  document.body.append(...fresh.querySelectorAll('script[type="application/json"]'));
  document.querySelectorAll("details").forEach((each, place) => { each.open = opened[place] ?? each.open; });
  bind(document);
  window.scrollTo(0, scrolled);
}
