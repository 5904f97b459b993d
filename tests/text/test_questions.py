from winnow.text.questions import near_key, question_key, split_options


def test_spacing_case_and_punctuation_do_not_count():
    assert question_key("Rs . 560 , or rs. 5 ?") == question_key("rs.560 or RS 5") == "rs560orrs5"


def test_inline_options_do_not_count():
    assert question_key("Which one?\nOptions:\n(A) 3\n(B) 4") == question_key("which one ?")
    assert question_key("Which one? Answer Choices: (A) 3 (B) 4") == question_key("which one ?")
    assert question_key("each has 5 answer choices . how many ?").endswith("howmany")


def test_a_question_of_signs_has_an_empty_key():
    assert question_key(" ?! ") == near_key("...") == ""


def test_wrongly_decoded_signs_do_not_count_but_other_scripts_do():
    assert question_key("what is c − a ?") == question_key("what is c â ˆ ’ a ?")
    assert question_key("Сколько яблок?") == "сколькояблок"


def test_numbers_are_masked_in_digits_and_in_words():
    same = ["Tom has 3 eggs.", "tom has 1,250.5 eggs", "Tom has twenty-five eggs", "Tom has two hundred and five eggs"]
    assert len({near_key(question) for question in same}) == 1
    assert near_key("Tom has 3 eggs.") != near_key("Tom has 3 nuts.")
    assert near_key("someone has tension") == "someonehastension"


def test_questions_of_numbers_alone_stay_apart():
    assert near_key("2 + 3") != near_key("2 + 4")


def test_inline_options_are_split_off():
    question = "Find it?\nOptions:\n(A) 24a8\n(B) see (A) above\n(C) 1/2"
    assert split_options(question) == ("Find it?", ("24a8", "see (A) above", "1/2"))
    assert split_options("Which?\nOptions:\n- (A) sun\n- (B) sea")[1] == ("sun", "sea")


def test_options_without_letters_stay_in_the_question():
    question = "Which?\nOptions:\n- yes\n- no"
    assert split_options(question) == (question, ())
    assert split_options("How many?") == ("How many?", ())
