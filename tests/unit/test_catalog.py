"""What a team registers."""

import pytest
from pydantic import BaseModel

from assistant import handlers
from assistant.actions import ActionSpec
from assistant.catalog import Catalog, Mode
from assistant.handlers.chat import chat


class Nothing(BaseModel):
    pass


@pytest.mark.parametrize("name", ["", "Chat", "1st", "-a", "a b", "a\n", "é", "a" * 65, "a/b", "_a"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a name"):
        Catalog().add_mode(Mode(name, chat))
    with pytest.raises(ValueError, match="is not a name"):
        Catalog().add_action(ActionSpec(name, Nothing))


def test_a_later_mode_replaces_an_earlier_one_but_an_action_is_taken() -> None:
    catalog = Catalog()
    catalog.add_mode(Mode("chat", chat))
    mine = Mode("chat", chat, safe_to_retry=True)
    catalog.add_mode(mine)
    catalog.add_action(ActionSpec("a-1_b", Nothing))

    assert catalog.modes == {"chat": mine}
    with pytest.raises(ValueError, match="registered already"):
        catalog.add_action(ActionSpec("a-1_b", Nothing))


def test_a_model_is_offered_what_the_page_can_run_and_the_team_has_declared() -> None:
    catalog = Catalog()
    show, hide = ActionSpec("show", Nothing), ActionSpec("hide", Nothing)
    catalog.add_action(show)
    catalog.add_action(hide)

    assert catalog.offered(["hide", "unknown"]) == [hide]
    assert catalog.offered([]) == []


def test_the_built_in_modes_leave_the_teams_own_alone() -> None:
    catalog, mine = Catalog(), Mode("chat", chat)
    catalog.add_mode(mine)

    handlers.register(catalog)

    assert catalog.modes["chat"] is mine
    assert sorted(catalog.modes) == ["chat", "edit", "generate"]
    assert sorted(catalog.system) == ["edit", "generate"]


def test_catalogs_share_nothing() -> None:
    Catalog().add_mode(Mode("chat", chat))

    assert Catalog().modes == {}
