"""Masking: every kind is found wherever it stands, what is no such thing stays, and masking twice changes nothing."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.accuracy.masking import MEASURING, TUNING, marked, masked_places, measured, read_strings
from prediction_log.masking.text import mask

WORDS = st.text(alphabet="abcdefghijklmnopqrstuvwxyzäß ,.;!?\n", max_size=40)
SEPARATORS = st.sampled_from(["", " ", "-"])
DIGITS = "0123456789"


def luhn_digit(digits: str) -> str:
    """The digit that makes a card number of `digits`, by trying: the sum of ISO/IEC 7812-1 ends in 0."""
    for check in DIGITS:
        number = digits + check
        total = sum(sum(map(int, str(int(d) * (1 + n % 2)))) for n, d in enumerate(reversed(number)))
        if total % 10 == 0:
            return check
    raise AssertionError


def with_iban_check(country: str, account: str) -> str:
    """98 minus the remainder by 97 of account, country and 00 (ISO 13616)."""
    number = int("".join(str(int(character, 36)) for character in f"{account}{country}00"))
    return f"{country}{98 - number % 97:02d}{account}"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Write to Jo.Smith+crm@mail.example.co.uk today.", "Write to [email] today."),
        ("grüße@müller.de", "[email]"),
        ("Card 4111 1111 1111 1111, expires soon", "Card [card], expires soon"),
        ("amex 378282246310005.", "amex [card]."),
        ("IBAN DE89 3704 0044 0532 0130 00 is ours", "IBAN [iban] is ours"),
        ("pay to gb29nwbk60161331926819 please", "pay to [iban] please"),
        ("My SSN is 078-05-1120.", "My SSN is [ssn]."),
        ("social security number: 078051120", "social security number: [ssn]"),
        ("Call +1 (415) 555-0199 or 555-0199", "Call [phone] or [phone]"),
        ("ring 020 7946 0958 tomorrow", "ring [phone] tomorrow"),
        ("account number 12345 is open", "account number [account] is open"),
        ("Account no. 98-7654", "Account no. [account]"),
        ("reference 123456789012", "reference [account]"),
        ("4111–1111–1111–1111", "[card]"),  # dashes, as a word processor makes them
        ("4111_1111_1111_1111", "[card]"),
        ("4111\u202f1111\u00a01111\u20091111", "[card]"),
        ("+1‑555‑123‑4567", "[phone]"),  # hyphens that don't break
        ("078‑05‑1120", "[ssn]"),
        ("pay 4111 1111 11\n11 1111 now", "pay [card] now"),
        ("pay 4111\n1111 1111 1111 now", "pay [card] now"),
        ("pay 4111-1111-\r\n1111-1111 now", "pay [card] now"),
        ("call (020) 7946\n0958 tomorrow", "call [phone] tomorrow"),
        ("IBAN DE89 3704 0044\n0532 0130 00 is ours", "IBAN [iban] is ours"),
        ("AT12 before DE89 3704 0044 0532 0130 00", "AT12 before [iban]"),
        ("account_12345", "account_[account]"),
        ("policy no. PL-2024-778812, then", "policy no. [account], then"),
        ("Policy #99-GH-1182 and customer ID CU_558812", "Policy #[account] and customer ID [account]"),
        ("account number: HX 4471 9920, from spring", "account number: [account], from spring"),
        ("write to jo [at] example [dot] co (dot) uk.", "write to [email]."),
        ("it's jo dot smith at example dot com", "it's [email]"),
        ("host 2001:db8::8a2e:370:7334 or 192.0.2.8.", "host [ip] or [ip]."),
        ("[2001:DB8::1]:443, fe80::1:", "[[ip]]:443, [ip]:"),
        ("The password is Summer2024! for the portal.", "The password is [password] for the portal."),
        ('Password: "hunter", and PIN 4471.', 'Password: "[password]", and PIN [password].'),
        ("api_key=Zx81kPq02LmN77rTbV, she said", "api_key=[key], she said"),
        ("AKIAIOSFODNN7EXAMPLE, 9f8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d", "[key], [key]"),
        ("passport no. C01X00T47, NI AB 12 34 56 C, DNI 12345678Z", "passport no. [id], NI [id], DNI [id]"),
        ("RSSMRA85T10A562S and 131052-308T", "[id] and [id]"),
    ],
)
def test_each_kind_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "They have a budget of $50,000 and 1200000 euros next year.",
        "We pay USD 12000000 or €99 999 999.",
        "On 2024-03-14, 14.03.2024 and 3/14/2024 at 15:30 we met.",
        "From 2023 to 2025: 120 seats, 24/7 support, version 1.2.3, room 1408.",
        "Seats: 120\n2024 budget: 500\n",
        "120000\n130000\n140000",
        "FY24 revenue was a good deal more than last year",
        "The [account] 12345 units, and [ssn] 123456",
        "The customer agreed; our account is fine @ the usual price.",
        "We have 12500000 users, 12 500 000 rows and 10000-15000 new seats.",
        "Version 10.0.19045.3803, v2024.11.0.1234, build 20240314.2, 126.0.6478.127",
        "Fiscal years 2019-2023, ISO 9001/27001/14001",
        "Customer: 2000 seats. Policy 2024 is out.",
        "The password is strict there, password resets are 300 a month, the pin connector, no API keys",
        "Look at example dot com, A::B at 10:30:45 and std::vector",
        "",
    ],
)
def test_money_dates_and_short_numbers_stay(text: str) -> None:
    assert mask(text) == text


EMAILS = st.builds(
    "{}@{}.{}".format,
    st.text("abcxyz019._+-", min_size=1, max_size=20),
    st.text("abcxyz019-", min_size=1, max_size=10),
    st.sampled_from(["de", "com", "museum"]),
)


@given(WORDS, EMAILS, WORDS)
def test_no_email_is_left(before: str, email: str, after: str) -> None:
    assert email not in mask(f"{before} {email} {after}")


@given(WORDS, st.text(DIGITS, min_size=12, max_size=18), SEPARATORS, WORDS)
def test_no_card_number_is_left(before: str, start: str, separator: str, after: str) -> None:
    digits = start + luhn_digit(start)
    number = separator.join(digits[n : n + 4] for n in range(0, len(digits), 4))
    masked = mask(f"{before} {number} {after}")
    assert not any(character.isdigit() for character in masked)


@given(WORDS, st.text(DIGITS, min_size=14, max_size=22), SEPARATORS, WORDS)
def test_no_iban_is_left(before: str, account: str, separator: str, after: str) -> None:
    iban = with_iban_check("DE", account)
    written = separator.join(iban[n : n + 4] for n in range(0, len(iban), 4))
    masked = mask(f"{before}. {written}. {after}")
    assert not any(character.isdigit() for character in masked)


@given(WORDS, st.from_regex(r"\+[1-9][0-9]{0,2}[ .-]?[0-9]{2,3}[ .-]?[0-9]{3}[ .-]?[0-9]{3,4}", fullmatch=True), WORDS)
def test_no_phone_number_is_left(before: str, phone: str, after: str) -> None:
    assert not any(character.isdigit() for character in mask(f"{before} {phone} {after}"))


@given(st.from_regex(r"[0-9]{3}-[0-9]{2}-[0-9]{4}", fullmatch=True))
def test_no_social_security_number_is_left(number: str) -> None:
    assert mask(f"it is {number}, I think") == "it is [ssn], I think"


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_masking_twice_changes_nothing(text: str) -> None:
    once = mask(text)
    assert mask(once) == once


PIECES = "account |acct no. |ssn |SSN is |[account]|[ssn]|1|12|4111|4111 1111 1111 1111|\n| |-|–|_|(|)|+|00|/|.|,|$| USD|€|DE"
PIECES += "|password is |password: |PIN |token |api_key=|policy no. |customer #|passport |at |[at]| dot |com|:|::|db8|v|users| "
PIECES += "|[key]|[password]|[ip]|[id]|12345678Z|QQ 12 34 56 C|AKIAIOSFODNN7EXAMPLE|192.0.2.8|is|\"|'"
PIECES += (
    "|DE89 3704 0044 0532 0130 00|a@b.cd|@|x|2024-03-14|078-05-1120|555-0199|é|²|١٢٣|\u200b|social security number "
)


@given(st.lists(st.sampled_from(PIECES.split("|")), max_size=14).map("".join))
@settings(max_examples=1000)
def test_masking_twice_changes_nothing_among_what_looks_like_numbers(text: str) -> None:
    once = mask(text)
    assert mask(once) == once


def test_where_each_mask_uncovers_another_no_digit_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_digit(text: str) -> str:
        return text.replace("1", "[x]", 1)

    monkeypatch.setattr("prediction_log.masking.text._masked_once", first_digit)
    assert mask("1" * 5) == "[x]" * 5
    assert mask("1" * 9) == "[x]" * 6 + "[account]"


@pytest.mark.parametrize(
    "piece",
    ["a", "1", "1 ", "a@", "a.", "DE12", "DE11 ", "AA11 ", "1\n", "4111 1111\n", "1_", "(", "ssn ", "account 1"]
    + [
        "a at b dot ",
        "a [at] b",
        "a dot ",
        ":",
        "a:",
        "1.0.",
        "1.1.1.",
        "password is ",
        "password:",
        "passworded ",
        "pin 1",
    ]
    + ["token ", "token=a", "A1b", "policy no. A", "policy no. 1-", "customer #1 ", "passport ", "AB12 ", "1-2-"],
)
def test_a_hostile_text_takes_no_longer_than_another(piece: str) -> None:
    started = time.process_time()  # a busy machine takes none of it
    mask(piece * (200_000 // len(piece)))
    assert time.process_time() - started < 5  # quadratic would be minutes


def test_masked_places_by_hand() -> None:
    text, values = marked("Call ⟦555-0199⟧ or ⟦a@b.cd⟧ now")
    assert text == "Call 555-0199 or a@b.cd now"
    assert ["".join(text[place] for place in sorted(value)) for value in values] == ["5550199", "abcd"]
    assert masked_places(text, "Call [phone] or [email] now") == values
    assert masked_places(text, "Call [phone] now") == [values[0] | {14, 15} | values[1]]
    assert masked_places(text, text) == []


def test_the_strings_are_enough_and_each_is_in_one_half() -> None:
    halves = read_strings()
    assert halves.keys() == {TUNING, MEASURING}
    texts = [string.text for strings in halves.values() for string in strings]
    assert len(texts) == len(set(texts)) >= 150
    assert len(halves[MEASURING]) >= len(texts) / 2


def test_nearly_all_is_found_and_nearly_nothing_else() -> None:
    figures = measured(read_strings()[MEASURING])
    assert figures.found / figures.values >= 0.95
    assert figures.right / figures.masks >= 0.95
