"""A few invented items of every benchmark, in the form in which local files hold them."""

import gzip
import json

CITIES = "Alba", "Brim", "Cora", "Dove", "Elm", "Fenn", "Gard", "Holt"


def rows():
    """File, without its ending -> rows."""
    numbered = list(enumerate(CITIES))
    arc = [
        {"id": f"q{n}", "question": f"Which town lies north of {c}?", "choices": [*CITIES[:3], "None"], "gold": n % 4}
        for n, c in numbered
    ]
    endings = [[f"walks to {c}.", f"walks to {c} and back.", "sleeps.", f"sings in {c}."] for c in CITIES]
    questions = [
        {"question": f"What lies in {c}?", "mc1_targets": {f"A well of {c}.": 1, "A sea.": 0, "Gold.": 0},
         "mc2_targets": {f"A well of {c}.": 1, "A well.": 1, "A sea.": 0, "Gold.": 0}}
        for c in CITIES
    ]  # fmt: skip
    school = [
        {"subject": subject, "question": f"Who ruled {c}?", "choices": ["Ann", "Bob", "Cid", "Dan"],
         "answer": "ABCD"[n % 4]}
        for subject in ("anatomy", "virology") for n, c in numbered
    ]  # fmt: skip
    common = [
        {"answerKey": "ABCDE"[n % 5], "id": f"c{n}", "question": {
            "question_concept": c, "stem": f"Where is {c}?",
            "choices": [{"label": label, "text": f"{label.lower()} {c}"} for label in "ABCDE"]}}
        for n, c in numbered
    ]  # fmt: skip
    sums = [
        {"question": f"{c} has {n} wells and digs 2. How many?", "answer": f"{n} + 2 = {n + 2}\n#### {n + 2}"}
        for n, c in numbered
    ]
    asks = ["punctuation:no_comma", "length_constraints:number_sentences", "keywords:existence"]
    options = {asks[0]: {}, asks[1]: {"num_sentences": 3, "relation": "at least"}, asks[2]: {"keywords": ["well"]}}
    told = [
        {"key": n, "prompt": f"Write of {c}.", "instruction_id_list": [asks[n % 3]], "kwargs": [options[asks[n % 3]]]}
        for n, c in numbered
    ]
    return {
        "arc_easy/test": arc, "arc_challenge/test": arc,
        "hellaswag/val": [
            {"ind": n, "activity_label": "Going out", "ctx_a": f"A man leaves {c}.", "ctx_b": "he",
             "ctx": f"A man leaves {c}. he", "endings": endings[n], "label": n % 4}
            for n, c in numbered
        ],
        "hellaswag/train": [
            {"ind": n, "query": f"Going in: A man enters {c}. He", "choices": endings[n], "gold": n % 4}
            for n, c in numbered
        ],
        "piqa/dev": [
            {"goal": f"Find {c}.", "sol1": f"Ask for {c}.", "sol2": "Wait.", "label": n % 2} for n, c in numbered
        ],
        "winogrande/dev": [
            {"sentence": f"Ann met Bob in {c} since _ lived there.", "option1": "Ann", "option2": "Bob",
             "answer": str(1 + n % 2)}
            for n, c in numbered
        ],
        "truthfulqa/mc": questions, "mmlu/test": school, "mmlu/dev": school, "commonsense_qa/dev": common,
        "boolq/dev": [
            {"question": f"is {c} large", "title": c, "passage": f"{c} is a town.", "answer": n % 2 == 0}
            for n, c in numbered
        ],
        "lambada/test_openai": [{"context": f"He came from {c} and went back to", "continuation": c} for c in CITIES],
        "gsm8k/test": sums, "gsm8k/train": sums,
        "math/test500": [
            {"problem": f"How far is {c}?", "answer": rf"\frac{{{n}}}{{7}}", "subject": "Algebra", "level": 1,
             "unique_id": f"t{n}"}
            for n, c in numbered
        ],
        "ifeval/input_data": told,
    }  # fmt: skip


def write(folder):
    """All files, compressed; gives back the folder."""
    for name, given in rows().items():
        place = folder / f"{name}.jsonl.gz"
        place.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(place, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in given)
    return folder
