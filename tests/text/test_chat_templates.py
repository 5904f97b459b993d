import locale
from datetime import datetime

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from winnow.errors import RecipeError
from winnow.recipe import TokenizerRecipe
from winnow.text.chat import ChatTemplate
from winnow.text.chat_templates import CHAT_DATE, DIRECTIVES, timeless
from winnow.text.tokenizers import train_tokenizer

TALK = [{"role": "user", "content": "So?"}]
LLAMA = (
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    "{%- set date_string = strftime_now('%d %b %Y') %}{%- else %}{%- set date_string = '26 Jul 2024' %}"
    "{%- endif %}{%- endif %}Today Date: {{ date_string }}"
)
MISTRAL = "{%- set today = strftime_now(\"%Y-%m-%d\") %}{%- set said = 'Today is ' + today %}{{ said }}"
GRANITE = "{%- macro head() %}Today's Date: {{ strftime_now('%B %d, %Y') }}.{%- endmacro %}{{ head() }}"


def rendered(template):
    return render_jinja_template(conversations=[TALK], chat_template=template)[0][0]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (LLAMA, f"Today Date: {CHAT_DATE}"),
        (MISTRAL, "Today is 2024-07-26"),
        (GRANITE, "Today's Date: July 26, 2024."),
        (
            "{{ strftime_now('%A, %-d. %-m. %y, %I:%M %p, %H:%M:%S.%f') }}",
            "Friday, 26. 7. 24, 12:00 AM, 00:00:00.000000",
        ),
        ("{{ strftime_now(format='100 %% of %Y, %%Y') }}", "100 % of 2024, %Y"),
        ("{{ strftime_now('%s|%Z|%z|%-H|%^b') }}", "1721952000|||0|JUL"),
        ("{% set f = '%Y' %}{{ strftime_now(f) }}", "2024"),
        ("{% if messages %}\n  {{ strftime_now('%j') }}\n{% endif %}", "  208\n"),
        ("  {% if true %}x{% endif %}{{ strftime_now('') }}", "x"),
    ],
)
def test_every_day_is_the_same_day(template, text):
    assert rendered(timeless(template)) == text


def test_the_date_is_as_strftime_writes_it():
    was = locale.setlocale(locale.LC_TIME)
    locale.setlocale(locale.LC_TIME, "C")
    try:
        written = {key: datetime(2024, 7, 26).strftime(f"%{key}") for key in DIRECTIVES if key not in "s"}
    finally:
        locale.setlocale(locale.LC_TIME, was)
    assert written == {key: text for key, text in DIRECTIVES.items() if key != "s"} | {"P": written["P"]}
    assert DIRECTIVES["s"] == str(round(datetime.fromisoformat("2024-07-26T00:00:00+00:00").timestamp()))


def test_a_template_without_a_clock_stays_as_it_is():
    assert timeless("{{ messages }}") == "{{ messages }}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ['Hi', 'Hello'] | random }}",
        "{{ [[1, 2]] | map('random') | first }}",
        "{% generation %}{{ 'abc'|random }}{% endgeneration %}",
        "{% for m in messages %}{% if m %}{% break %}{% endif %}{% endfor %}{{ lipsum() }}",
    ],
)
def test_a_template_that_draws_at_random_is_refused(template):
    with pytest.raises(RecipeError, match="draws at random"):
        timeless(template)


@pytest.mark.parametrize(
    "template", ["at random {{ messages }}", "{{ 'random' }}", "{% if %}", "{{ m | map('upper') }}"]
)
def test_other_templates_are_not(template):
    assert timeless(template) == template


def test_the_date_is_told_once():
    tokenizer = train_tokenizer(["user: Tom"], TokenizerRecipe(vocab_size=260), 64)
    with pytest.warns(UserWarning, match=f"it is told {CHAT_DATE}"):
        template = ChatTemplate(tokenizer, "{{ strftime_now('%Y') }}" + "{{ messages[0].content + eos_token }}")
    assert template.template.endswith("{{ messages[0].content + eos_token }}")
