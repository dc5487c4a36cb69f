"""Energies by name, one's own energy, and what is told of one that cannot be used."""

import math
import re
import sys
import textwrap

import pytest
import torch

from dlpipe_hmc.build_energy import build_energy
from dlpipe_hmc.check_energy import check_values

ENERGIES = ("gaussian", "banana", "funnel", "gaussian_rbm")


class Ring:
    """A ring of radius r in the plane."""

    dim = 2

    def __init__(self, radius: float = 3.0) -> None:
        self.radius = radius

    def __call__(self, positions):
        return 10 * (positions.norm(dim=1) - self.radius) ** 2


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """Write a module `own` that can be imported; gives the function that writes it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own", raising=False)

    def write(text):
        (tmp_path / "own.py").write_text(textwrap.dedent(text))

    yield write
    sys.modules.pop("own", None)


def test_each_name_makes_an_energy():
    dims = {name: build_energy(name, {}).dim for name in ENERGIES}
    assert dims == {"gaussian": 5, "banana": 2, "funnel": 10, "gaussian_rbm": 4}


def test_options_go_to_the_class():
    assert build_energy("banana", {"bend": 0.1}).bend == 0.1


def test_a_dotted_path_is_a_class_of_ones_own(own_module):
    own_module("""
        from dlpipe_hmc.energy import Energy

        class Square(Energy):
            def __init__(self, dim=3):
                self.dim = dim

            def __call__(self, positions):
                return positions.square().sum(1)
    """)
    assert build_energy("own.Square", {}).dim == 3
    assert build_energy("own.Square", {"dim": 7}).dim == 7


def test_a_dotted_path_is_an_energy_of_ones_own(own_module):
    own_module("""
        from dlpipe_hmc.energy import Energy

        class Square(Energy):
            dim = 4

            def __call__(self, positions):
                return positions.square().sum(1)

        square = Square()
    """)
    assert build_energy("own.square", {}).dim == 4
    with pytest.raises(ValueError, match=r"own.square is no class, so that it takes no energy_options; got \{'a': 1\}"):
        build_energy("own.square", {"a": 1})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "bananna",
            "no energy 'bananna'; did you mean 'banana'\\? installed: banana, funnel, gaussian, gaussian_rbm; or give "
            "the dotted path of your own",
        ),
        (
            "no_such_module.E",
            "no_such_module.E cannot be imported: .*; is no_such_module in the folder that you are in",
        ),
        ("torch.no_such_name", "torch.no_such_name cannot be imported: module 'torch' has no attribute"),
        ("torch.pi", "torch.pi is not a dlpipe_hmc.energy.Energy; let its class inherit from that, or register it"),
        ("torch.sin", "torch.sin is not a dlpipe_hmc.energy.Energy"),
        ("torch.hub.load", "torch.hub.load is not a dlpipe_hmc.energy.Energy"),
        ("subprocess.Popen", "energy subprocess.Popen is part of Python's standard library, which has no energies"),
    ],
)
def test_what_is_no_energy_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        build_energy(name, {})


def test_options_that_the_class_does_not_take_are_refused():
    message = (
        r"energy_options=\{'bent': 1\}: got an unexpected keyword argument 'bent'; energy banana takes deviation, bend"
    )
    with pytest.raises(ValueError, match=message):
        build_energy("banana", {"bent": 1})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gaussian", {"dim": "abc"}, "dim='abc': must be a whole number from 1"),
        ("gaussian", {"dim": 0}, "dim=0: must be a whole number from 1"),
        ("funnel", {"dim": "abc"}, "dim='abc': must be at least 2"),
        ("banana", {"bend": "abc"}, "TypeError: "),
    ],
)
def test_an_energy_that_cannot_be_made_is_told_by_its_name_and_options(name, options, message):
    wanted = re.escape(f"energy {name} cannot be made with energy_options={options}: {message}")
    with pytest.raises(ValueError, match=wanted):
        build_energy(name, options)


def test_what_the_constructor_of_ones_own_energy_raises_is_told(own_module):
    own_module("""
        from dlpipe_hmc.energy import Energy

        class Wrong(Energy):
            def __init__(self):
                raise KeyError("no such file")
    """)
    with pytest.raises(ValueError, match=r"energy own\.Wrong cannot be made: KeyError: 'no such file'"):
        build_energy("own.Wrong", {})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "dim = 2; covariance = torch.tensor([[1, 2], [2, 1]])",
            r": covariance \(2, 2\) is not positive definite.*eigenvalue is -1;",
        ),
        ("dim = 2; covariance = torch.tensor([[1.0, 0.5], [0.0, 1]])", ": covariance is not symmetric"),
        ("dim = 1; covariance = torch.tensor([[float('nan')]])", ": covariance has an entry nan"),
        ("dim = 0", "has dim=0; give it an attribute dim"),
        ("dim = 2.5", "has dim=2.5; give it"),
        ("dim = 2; mean = torch.zeros(3)", r"has a mean of \(3,\); a tensor \(2,\) is wanted, or none"),
        ("dim = 2; covariance = [[1, 0], [0, 1]]", r"has a covariance of list; a tensor \(2, 2\) is wanted, or none"),
    ],
)
def test_an_energy_that_says_wrongly_what_it_is_is_refused(own_module, body, message):
    own_module(f"""
        import torch
        from dlpipe_hmc.energy import Energy

        class Wrong(Energy):
            {body}

            def __call__(self, positions):
                return positions.square().sum(1)
    """)
    with pytest.raises(ValueError, match=f"energy own.Wrong ?{message}"):
        build_energy("own.Wrong", {})


def checked(function, dim=2, chains=3, gradient=None):
    function.dim = dim
    if gradient is not None:
        function.gradient = gradient
    check_values(function, "own", torch.randn(chains, dim, generator=torch.Generator().manual_seed(0)))


def test_a_good_energy_passes():
    checked(lambda x: x.square().sum(1))
    checked(lambda x: x.square().sum(1), gradient=lambda x: 2 * x)
    check_values(Ring(), "ring", torch.randn(5, 2))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: 1.0, r"energy own gave a float; a tensor \(3,\) is wanted"),
        (
            lambda x: x.square().sum(),
            r"energy own has the shape \(\) for 3 chains; wanted is \(3,\): sum over the last",
        ),
        (lambda x: x.square(), r"energy own has the shape \(3, 2\) for 3 chains"),
        (lambda x: x.square().sum(0), r"energy own has the shape \(2,\) for 3 chains"),
        (
            lambda x: x.sum(1) * math.nan,
            r"energy own is not finite where chains \[0, 1, 2\] start: nan\. They start at",
        ),
        (lambda x: x[:, 0].log(), r"energy own is not finite where chains \[.*\] start: nan"),
        (lambda x: x.detach().sum(1), r"energy own has no gradient with respect to the positions \(.*\); compute it"),
        (lambda x: torch.zeros(len(x)), "energy own has no gradient"),
        (lambda x: torch.from_numpy(x.numpy()).sum(1), "energy own has no gradient"),
        (lambda x: (x.clamp(min=0) * 0).sqrt().sum(1), "the gradient of energy own is not finite where chains"),
    ],
)
def test_an_energy_that_cannot_be_followed_is_refused(function, message):
    with pytest.raises(ValueError, match=message):
        checked(function)


def test_what_an_energy_raises_is_told_with_its_name():
    message = "energy own raised IndexError for positions of 3 chains, 2 coordinates each: index 2 is out of bounds"
    with pytest.raises(ValueError, match=message):
        checked(lambda x: x[:, 2])


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (lambda x: x[:, 2], "the gradient of energy own raised IndexError for positions of 3 chains"),
        (lambda x: 2 * x.sum(1), r"the gradient of energy own has the shape \(3,\) for 3 chains; wanted is \(3, 2\)"),
        (lambda x: x, r"gradient of energy own is off by .* from what autograd gives; mend or remove it"),
        (lambda x: -2 * x, "gradient of energy own is off by"),
    ],
)
def test_a_wrong_gradient_of_ones_own_is_refused(gradient, message):
    with pytest.raises(ValueError, match=message):
        checked(lambda x: x.square().sum(1), gradient=gradient)


def test_an_energy_that_autograd_cannot_follow_may_have_a_gradient_of_its_own():
    checked(lambda x: x.detach().square().sum(1), gradient=lambda x: 2 * x)


@pytest.mark.parametrize("name", ENERGIES)
def test_ours_pass(name):
    energy = build_energy(name, {})
    check_values(energy, name, torch.randn(100, energy.dim, generator=torch.Generator().manual_seed(0)))


def test_what_a_path_leads_to_is_known_before_it_is_called(own_module, tmp_path):
    own_module(f"""
        import pathlib

        class Evil:
            dim = 2

            def __init__(self, **options):
                pathlib.Path({str(tmp_path / "called")!r}).touch()

            def __call__(self, positions):
                return positions.square().sum(1)
    """)
    with pytest.raises(ValueError, match=r"energy own\.Evil is not a dlpipe_hmc\.energy\.Energy"):
        build_energy("own.Evil", {"a": 1})
    assert not (tmp_path / "called").exists()
