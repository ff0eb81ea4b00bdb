"""What is installed is what was looked at: every package pinned with hashes, from the usual index, nothing missing.

This is the part of a dependency audit that needs no internet; `make audit` asks for known weaknesses where there is one.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")
PIN = re.compile(r"([a-z0-9._-]+(?:\[[a-z,]+\])?)==([0-9][A-Za-z0-9.+]*)(?: ; (.+?))? \\")


@dataclass
class Pin:
    package: str
    version: str
    marker: str
    hashes: int = 0


def pins(name: str) -> list[Pin]:
    """Every pin of a file. Refuses any line that is neither a pin nor a hash."""
    found: list[Pin] = []
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        pin = PIN.fullmatch(line)
        if pin:
            found.append(Pin(canonicalize_name(pin[1].split("[")[0]), pin[2], pin[3] or ""))
            continue
        assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line), line  # no index, no address, no option
        found[-1].hashes += 1
    return found


def here(name: str) -> dict[str, str]:
    """Package → version, of what this Python and this system need."""
    fitting = [each for each in pins(name) if not each.marker or Marker(each.marker).evaluate()]
    assert len({each.package for each in fitting}) == len(fitting)
    return {each.package: each.version for each in fitting}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_with_its_hashes(name: str) -> None:
    locked = pins(name)
    assert len(locked) > 20
    assert [each.package for each in locked if each.hashes == 0] == []


def test_both_files_pin_the_same_versions() -> None:
    product, development = here(LOCKS[0]), here(LOCKS[1])
    both = product.keys() & development.keys()
    assert {name: development[name] for name in both} == {name: product[name] for name in both}


def test_whatever_we_ask_for_is_in_the_files_and_fits() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    product, development = here(LOCKS[0]), here(LOCKS[1])
    for wanted, locked in (
        (project["project"]["dependencies"], product),
        (project["dependency-groups"]["dev"], development),
    ):
        for line in wanted:
            requirement = Requirement(line)
            if requirement.marker is not None and not requirement.marker.evaluate():
                continue
            pinned = locked[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(pinned), line


def test_this_very_environment_has_the_pinned_versions() -> None:
    wrong = {}
    for package, pinned in (here(LOCKS[0]) | here(LOCKS[1])).items():
        try:
            installed = version(package)
        except PackageNotFoundError:
            installed = "nothing"
        if installed != pinned:
            wrong[package] = f"{installed} instead of {pinned}"
    assert wrong == {}
