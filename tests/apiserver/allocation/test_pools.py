import ipaddress

import pytest

from pilothouse.apiserver.allocation.pools import NumberRange, PoolError, addresses, ports
from pilothouse.kit.random import Chance


def test_unasked_numbers_come_from_the_upper_band_until_it_is_full():
    numbers = NumberRange(100, 10, 4)
    taken: set[int] = set()
    for _ in range(6):
        taken.add(numbers.next(taken.__contains__, Chance(1)))
    assert taken == set(range(104, 110))
    assert numbers.next(taken.__contains__, Chance(1)) == 100
    with pytest.raises(PoolError, match="range is full"):
        numbers.next(lambda n: True, Chance(1))


def test_the_first_addresses_are_kept_for_those_who_ask():
    numbers = addresses(ipaddress.ip_network("10.96.0.0/16"))
    assert str(ipaddress.ip_address(numbers.first)) == "10.96.0.1"
    assert int(ipaddress.ip_address("10.96.255.255")) not in numbers
    assert numbers.reserved == 256


def test_node_ports():
    numbers = ports()
    assert 30000 in numbers
    assert 32767 in numbers
    assert 32768 not in numbers
    assert numbers.next(lambda n: False, Chance(3)) >= 30086
