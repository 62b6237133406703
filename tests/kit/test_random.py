from __future__ import annotations

import uuid

from pilothouse.kit.random import NAME_ALPHABET, Chance


def test_a_seed_repeats_itself() -> None:
    def draw(chance: Chance) -> tuple[object, ...]:
        return chance.uid(), chance.name_suffix(), chance.jitter(1, 0.5), chance.below(9), chance.bytes(4)

    assert draw(Chance(3)) == draw(Chance(3))
    assert draw(Chance()) != draw(Chance())


def test_uids_are_version_4() -> None:
    chance = Chance(1)
    made = [uuid.UUID(chance.uid()) for _ in range(200)]
    assert {(u.version, u.variant) for u in made} == {(4, uuid.RFC_4122)}
    assert len(set(made)) == 200
    assert str(made[0]) == Chance(1).uid()


def test_names_and_jitter_keep_their_bounds() -> None:
    chance = Chance(2)
    assert all(set(chance.name_suffix(8)) <= set(NAME_ALPHABET) for _ in range(50))
    assert all(2 <= chance.jitter(2, 0.5) <= 3 for _ in range(50))
