"""The switches of PyTorch that a GPU computes with are held while that lasts, and put back."""

import threading

import pytest
import torch

from mtshare_ros.inference.arithmetic import computing_on, EXACT


def switches():
    """Return what convolutions and products of matrices are allowed to lose."""
    matmul = torch.backends.cuda.matmul
    return (torch.backends.cudnn.allow_tf32, matmul.allow_tf32,
            matmul.allow_fp16_reduced_precision_reduction,
            matmul.allow_bf16_reduced_precision_reduction)


def test_nothing_is_rounded_more_than_was_asked_for_while_a_gpu_computes():
    before = switches()
    with EXACT.held():
        assert switches() == (False,) * 4
    assert switches() == before
    assert before[0], 'PyTorch rounds convolutions to TF32 unless told otherwise'


def test_an_exception_puts_the_switches_back():
    before = switches()
    with pytest.raises(ValueError, match='broken'):
        with EXACT.held():
            raise ValueError('broken')
    assert switches() == before


def test_threads_that_overlap_leave_the_switches_as_the_first_found_them():
    before, entered, leave = switches(), threading.Event(), threading.Event()

    def other():
        with EXACT.held():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with EXACT.held():
        thread.start()
        assert entered.wait(10)
    assert switches() == (False,) * 4  # the other one still computes
    leave.set()
    thread.join()
    assert switches() == before


def test_a_cpu_touches_no_switch():
    before = switches()
    with computing_on('cpu'):
        assert switches() == before


@pytest.mark.skipif(not hasattr(torch.backends.cuda.matmul, 'fp32_precision'),
                    reason='this PyTorch has no newer names of the switches')
def test_switches_that_the_program_turned_by_their_newer_names_are_put_back(monkeypatch):
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn.conv, 'fp32_precision', 'tf32')
    monkeypatch.setattr(cudnn.rnn, 'fp32_precision', 'ieee')

    with EXACT.held():
        assert cudnn.conv.fp32_precision == 'ieee'

    assert (cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision) == ('tf32', 'ieee')
