"""The pretended device counts what an operator launches on a GPU, not how often it was called."""

from pretended_cuda import pretended_cuda
import pytest
import torch
from torch.nn import functional


def attend(x, batch, queries, keys, dtype=torch.float16):
    key = x.new_empty(batch, keys, 64, dtype=dtype)
    return functional.scaled_dot_product_attention(key[:, :queries], key, key)


# x (8, 8), two rows, which of the numbers are positive
CASES = {
    'views': (0, lambda x, rows, mask: x.t()[1:].unflatten(0, (1, 7)).expand(2, 7, 8)),
    'nothing to copy': (0, lambda x, rows, mask: x[:0].copy_(x[:0])),
    'a bias in the epilogue': (1, lambda x, rows, mask: functional.linear(x, x, x[0])),
    'a product without a bias': (1, lambda x, rows, mask: x @ x),
    'a matrix added to a product': (2, lambda x, rows, mask: torch.addmm(x, x, x)),
    'a bias for each encoder': (2, lambda x, rows, mask: torch.baddbmm(
        x[None, :1], x[None], x[None])),
    'encoders without a bias': (1, lambda x, rows, mask: torch.bmm(x[None], x[None])),
    'a convolution': (1, lambda x, rows, mask: functional.conv2d(
        x.view(1, 8, 2, 4), x.view(8, 8, 1, 1))),
    'a convolution and its bias': (2, lambda x, rows, mask: functional.conv2d(
        x.view(1, 8, 2, 4), x.view(8, 8, 1, 1), x[0])),
    'a convolution of each channel': (1, lambda x, rows, mask: functional.conv2d(
        x.view(1, 8, 2, 4), x[:, :1, None, None], x[0], groups=8)),
    'a norm of rows': (1, lambda x, rows, mask: functional.layer_norm(x, (8,))),
    'a norm of rows of seven': (2, lambda x, rows, mask: functional.layer_norm(
        x.view(-1)[:49].view(7, 7), (7,))),
    'a norm of parts of rows': (2, lambda x, rows, mask: functional.layer_norm(x[:, :4], (4,))),
    'a softmax': (1, lambda x, rows, mask: x.softmax(-1)),
    'a softmax of parts of rows': (2, lambda x, rows, mask: x[:, :4].softmax(-1)),
    'a pool': (1, lambda x, rows, mask: functional.max_pool2d(x[None], 3, 1, 1)),
    'places': (6, lambda x, rows, mask: mask.nonzero()),
    'places in a row': (5, lambda x, rows, mask: mask[0].nonzero()),
    'as many places as asked for': (4, lambda x, rows, mask: torch.nonzero_static(
        mask[0], size=2)),
    'what a mask shows': (6, lambda x, rows, mask: x[mask]),
    'a number where a mask says so': (1, lambda x, rows, mask: x.masked_fill_(mask, 1.0)),
    'a copy with a number where a mask says so': (2, lambda x, rows, mask: x.masked_fill(mask, 1)),
    'this or a number': (2, lambda x, rows, mask: torch.where(mask, x, 0.0)),
    'a scan of one row': (2, lambda x, rows, mask: x[0].cumsum(0)),
    'a scan of several rows': (1, lambda x, rows, mask: x.cumsum(1)),
    'a scan of flags': (3, lambda x, rows, mask: mask[0].cumsum(0)),
    'a sort': (4, lambda x, rows, mask: x.sort(dim=1)),
    'a long sort': (8, lambda x, rows, mask: x.new_empty(5000).sort()),
    'the greatest': (2, lambda x, rows, mask: x[0].topk(2)),
    'the greatest in any order': (1, lambda x, rows, mask: x[0].topk(2, sorted=False)),
    'a quantile of each row': (1, lambda x, rows, mask: x.kthvalue(2)),
    'the greatest of each row': (1, lambda x, rows, mask: x.amax(-1)),
    'flags counted': (1, lambda x, rows, mask: mask.sum()),
    'an image summed': (2, lambda x, rows, mask: x.new_empty(480, 640).sum()),
    'the rows of an image summed': (1, lambda x, rows, mask: x.new_empty(480, 640).sum(1)),
    'rows taken': (1, lambda x, rows, mask: x.index_select(0, rows)),
    'rows indexed': (1, lambda x, rows, mask: x[rows]),
    'rows written': (1, lambda x, rows, mask: x.index_copy_(0, rows, x.new_empty(2, 8))),
    'a copy with rows written': (2, lambda x, rows, mask: x.index_copy(0, rows, x[3:5])),
    'rows put': (1, lambda x, rows, mask: x.index_put_((rows,), x.new_empty(2, 8))),
    'rows added up': (6, lambda x, rows, mask: x.index_put_((rows,), x.new_empty(2, 8), True)),
    'numbers scattered': (1, lambda x, rows, mask: x[0].scatter_(0, rows, 1.0)),
    'joined': (1, lambda x, rows, mask: torch.cat([x, x, x])),
    'joined from two types': (3, lambda x, rows, mask: torch.cat([x, x.half()])),
    'padded by nothing': (1, lambda x, rows, mask: functional.pad(x, (0, 0))),
    'padded': (2, lambda x, rows, mask: functional.pad(x, (1, 1))),
    'attention of few queries': (2, lambda x, rows, mask: attend(x, 12, 30, 300)),
    'attention to few keys': (1, lambda x, rows, mask: attend(x, 12, 30, 200)),
    'attention of many queries': (1, lambda x, rows, mask: attend(x, 12, 1200, 1200)),
    'attention in single precision': (1, lambda x, rows, mask: attend(
        x, 12, 30, 300, torch.float32)),
}


@pytest.mark.parametrize('count, call', CASES.values(), ids=CASES)
def test_the_launches_of_an_operator(count, call):
    with pretended_cuda() as device:
        x = torch.arange(64.0, device='cuda').view(8, 8)
        rows, mask = torch.arange(2, device='cuda'), x > 0
        device.clear()

        call(x, rows, mask)

        assert device.launches == count


def test_what_a_view_shares_is_no_launch_and_a_custom_operator_is_one():
    @torch.library.custom_op('pretended::add_and_double', mutates_args=(), device_types='cpu')
    def add_and_double(tensor: torch.Tensor) -> torch.Tensor:
        return (tensor + 1) * 2

    with pretended_cuda() as device:
        x = torch.zeros(2, device='cuda')
        device.clear()

        assert add_and_double(x).tolist() == [2, 2] and device.launches == 1
