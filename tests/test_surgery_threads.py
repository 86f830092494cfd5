"""Networks whose activations are told apart by call, in several threads and in passes that leave calls out."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from adaptact import replace_activations
from adaptact.activations import SGBlend

THREADS = 8


class Meeting(nn.Module):
    """Waits until every thread has come here, where there is a barrier."""

    barrier: threading.Barrier | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not torch.compiler.is_compiling() and self.barrier is not None:
            self.barrier.wait(timeout=30)
        return x


class Repeated(nn.Module):
    """One ReLU that is called up to three times, with a meeting after each call."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.relu = nn.ReLU()
        self.meeting = Meeting()

    def forward(self, x: Tensor, steps: int = 3) -> Tensor:
        for _ in range(steps):
            x = self.meeting(self.relu(self.linear(x)))
        return x


@pytest.fixture
def network() -> Repeated:
    torch.manual_seed(0)
    model = Repeated()
    replacements = replace_activations(model, SGBlend, example=torch.randn(2, 3))
    with torch.no_grad():
        for index, replacement in enumerate(replacements):
            replacement.new.raw_alpha.fill_(index / 2)
    return model


def in_threads(model: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    with ThreadPoolExecutor(len(inputs)) as pool:
        return list(pool.map(model, inputs))


def test_eight_threads_that_interleave_get_the_answers_of_one(network: Repeated) -> None:
    inputs = list(torch.randn(THREADS, 5, 3))
    expected = [network(x) for x in inputs]
    network.meeting.barrier = threading.Barrier(THREADS)
    torch.testing.assert_close(in_threads(network, inputs), expected, rtol=0, atol=0)


def test_eight_threads_share_a_compiled_network(network: Repeated) -> None:
    inputs = list(torch.randn(THREADS, 5, 3))
    torch.compiler.reset()
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    expected = [compiled(x) for x in inputs]
    torch.testing.assert_close(expected, [network(x) for x in inputs])
    torch.testing.assert_close(in_threads(compiled, inputs), expected, rtol=0, atol=0)


def test_a_thread_without_a_pass_of_its_own_is_refused(network: Repeated) -> None:
    """As a backward pass on a GPU is, whose thread calls again under activation checkpointing."""
    x = torch.randn(5, 3)
    refused: list[BaseException | None] = []

    class Other(nn.Module):
        def forward(self, h: Tensor) -> Tensor:
            with ThreadPoolExecutor(1) as pool:
                refused.append(pool.submit(network.relu, h).exception())
            return h

    network.meeting = Other()  # type: ignore[assignment]
    network(x)
    assert len(refused) == 3
    assert all("was called once more" in str(error) for error in refused)


def test_a_pass_with_fewer_calls_is_told_once_per_network(network: Repeated) -> None:
    x = torch.randn(5, 3)
    with pytest.warns(UserWarning, match=r"fewer calls than the example: relu 1 of 3\."):
        network(x, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(x, 2)
        network(x)


def test_a_pass_with_all_calls_warns_of_nothing(network: Repeated) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(torch.randn(5, 3))
