import pytest

from preprocessing.errors import Conflict
from preprocessing.storage.bucket import VersionedObject
from tests.support.memory import Memory, no_answer


def without_an_answer() -> tuple[Memory, VersionedObject]:
    """An object whose first write was carried out and yet failed, as all still do."""
    store = Memory()
    store.after = no_answer
    owned = VersionedObject(store, "name")
    with pytest.raises(OSError, match="no answer"):
        owned.write(b"1")
    return store, owned


def test_a_write_whose_answer_was_lost_is_known_as_ours() -> None:
    store, owned = without_an_answer()
    store.after = lambda *_: None
    owned.write(b"2")
    owned.write(b"3")
    assert store.objects == {"name": b"3"}


def test_what_another_wrote_after_a_write_of_ours_that_failed_is_not_ours() -> None:
    store, owned = without_an_answer()
    store.after = lambda *_: None
    store.objects["name"] = b"theirs"
    with pytest.raises(Conflict):
        owned.write(b"2")
    assert store.objects == {"name": b"theirs"}


def test_of_two_owners_the_second_to_write_changes_nothing() -> None:
    store = Memory()
    one, other = VersionedObject(store, "name"), VersionedObject(store, "name")
    one.write(b"1")
    for _ in range(2):
        with pytest.raises(Conflict):
            other.write(b"2")
    assert store.objects == {"name": b"1"}
    assert other.read() == b"1"
    other.write(b"3")
    with pytest.raises(Conflict):
        one.write(b"4")


def test_of_several_writes_that_failed_the_one_that_was_carried_out_is_known_as_ours() -> None:
    store, owned = without_an_answer()
    store.before = refuse
    with pytest.raises(OSError, match="down"):
        owned.write(b"2")
    store.before = store.after = lambda *_: None
    owned.write(b"3")
    assert store.objects == {"name": b"3"}


def refuse(verb: str, name: str) -> None:
    if verb == "write":
        raise OSError(f"{name}: the store is down")
