"""The table of failures is the one of the protocol."""

import pytest

from assistant import errors
from assistant.errors import CODES, AssistantError

_TABLE = """
invalid: invalid_request method_not_allowed request_timeout too_large unsupported_media_type idempotency_mismatch
  content_refused budget_exceeded
auth: unauthorized forbidden
gone: not_found gone
limited: rate_limited too_many_active too_many_viewers
unavailable: server_full draining store_unavailable misconfigured provider_unavailable provider_rate_limited
  provider_timeout
interrupted: worker_lost store_lost abandoned expired deadline_exceeded provider_incomplete provider_protocol
failed: handler_failed action_failed action_expired provider_auth internal
"""
_KINDS = {
    code: kind
    for kind, _, codes in (line.partition(":") for line in _TABLE.strip().replace("\n  ", " ").splitlines())
    for code in codes.split()
}


def test_every_code_of_the_protocol_is_there_with_its_kind_and_no_other() -> None:
    assert {code: error.kind for code, error in CODES.items()} == _KINDS


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_failure_can_be_answered_and_shown(code: str) -> None:
    error = CODES[code]()

    assert error.code == code
    assert 400 <= error.status < 600
    assert error.detail == str(error) == error.message
    assert error.message.endswith(".")
    assert error.retry_after is None
    assert type(error.retryable) is bool


@pytest.mark.parametrize(("kind", "statuses"), [("auth", {401, 403}), ("gone", {404, 410}), ("limited", {429})])
def test_a_kind_has_its_statuses(kind: str, statuses: set[int]) -> None:
    assert {error.status for error in CODES.values() if error.kind == kind} == statuses


def test_what_a_new_post_may_cure_is_retryable() -> None:
    retryable = {code for code, error in CODES.items() if error.retryable}

    assert {code for code, error in CODES.items() if error.kind in ("limited", "interrupted")} <= retryable
    assert {code for code in retryable if CODES[code].kind in ("invalid", "auth", "gone")} == set()
    assert {"misconfigured", "provider_auth"} & retryable == set()


def test_a_special_case_does_not_take_the_place_of_its_code() -> None:
    assert CODES["invalid_request"] is errors.InvalidRequest
    assert (errors.ValueRefused.code, errors.ValueRefused.status) == ("invalid_request", 422)
    assert (errors.ActionConflict.code, errors.ActionConflict.status) == ("invalid_request", 409)
    assert (errors.ActionDenied.code, errors.ActionDenied.kind) == ("action_failed", "failed")


def test_a_failure_carries_its_advice() -> None:
    error = errors.TooManyActive("Wait.", retry_after=2.0, scope="active", limit=5)

    assert (error.detail, error.retry_after, error.extra) == ("Wait.", 2.0, {"scope": "active", "limit": 5})


def test_every_failure_of_the_module_is_one_tree() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]

    assert all(issubclass(one, AssistantError) for one in classes)
    assert all(one.code in CODES for one in classes)
