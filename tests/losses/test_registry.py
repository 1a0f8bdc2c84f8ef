"""What every loss keeps: shapes, reductions, input types, gradients, refusals."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from losses import (
    AdaFocalLoss,
    BrierLoss,
    CalFocalLoss,
    FLSDLoss,
    FocalLoss,
    InverseFocalLoss,
    MMCELoss,
    build,
)
from tests.support.batches import NAMES, make, random_batch, value_and_grad

PER_SAMPLE = tuple(name for name in NAMES if name != "mmce")
every_loss = pytest.mark.parametrize("name", NAMES)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("brier", BrierLoss),
        ("mmce", MMCELoss),
        ("fl3", FocalLoss),
        ("flsd53", FLSDLoss),
        ("invfl", InverseFocalLoss),
        ("calfocal", CalFocalLoss),
        ("adafocal", AdaFocalLoss),
    ],
)
def test_names(name, kind):
    assert isinstance(make(name), kind)


def test_fl_names_carry_their_gamma():
    logits, targets = random_batch()
    for gamma in (3, 4, 5):
        assert build(f"fl{gamma}")(logits, targets) == FocalLoss(gamma=gamma)(logits, targets)


def test_ce_and_ls_are_torch_s_own():
    logits, targets = random_batch()
    for reduction in ("mean", "sum", "none"):
        ours = build("ce", reduction=reduction)(logits, targets)
        assert torch.equal(ours, F.cross_entropy(logits, targets, reduction=reduction))
        ours = build("ls", reduction=reduction)(logits, targets)
        torch.testing.assert_close(ours, F.cross_entropy(logits, targets, reduction=reduction, label_smoothing=0.05))


@pytest.mark.parametrize("name", ["", "focal", "CE", "adafocal ", None])
def test_unknown_name_lists_the_choices(name):
    with pytest.raises(ValueError, match="adafocal") as error:
        build(name)
    assert all(choice in str(error.value) for choice in NAMES)
    assert "\n" not in str(error.value)


@every_loss
def test_unknown_option_is_named(name):
    with pytest.raises((ValueError, TypeError), match="no_such_option"):
        build(name, no_such_option=1)


@every_loss
@pytest.mark.parametrize("reduction", ["average", "", None, "Mean"])
def test_unknown_reduction_lists_the_choices(name, reduction):
    with pytest.raises(ValueError, match="reduction") as error:
        make(name, reduction=reduction)
    assert all(choice in str(error.value) for choice in ("mean", "sum", "none"))


@pytest.mark.parametrize("name", PER_SAMPLE)
@pytest.mark.parametrize("n", [1, 2, 3, 33])
def test_reductions_agree(name, n):
    logits, targets = random_batch(n)
    values = make(name, reduction="none")(logits, targets)
    assert values.shape == (n,)
    assert (values >= 0).all()
    torch.testing.assert_close(make(name, reduction="mean")(logits, targets), values.mean())
    torch.testing.assert_close(make(name, reduction="sum")(logits, targets), values.sum())
    torch.testing.assert_close(make(name)(logits, targets), values.mean())


@pytest.mark.parametrize("name", PER_SAMPLE)
def test_a_sample_s_loss_does_not_depend_on_its_batch(name):
    logits, targets = random_batch(20)
    loss = make(name, reduction="none")
    alone = torch.cat([loss(logits[i : i + 1], targets[i : i + 1]) for i in range(20)])
    torch.testing.assert_close(loss(logits, targets), alone)


@every_loss
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 2, 10])
def test_small_batches(name, n, k):
    logits, targets = random_batch(n, k, seed=n, dtype=torch.float32)
    value, grad = value_and_grad(make(name), logits, targets)
    assert value.shape == ()
    assert value.isfinite()
    assert grad.isfinite().all()
    assert grad.shape == logits.shape


@every_loss
def test_gradient_is_the_finite_difference(name):
    logits, targets = random_batch(12, 6, seed=3, dtype=torch.float64)
    loss = make(name)
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), logits.requires_grad_(), atol=1e-6)


@every_loss
def test_second_derivative_is_the_finite_difference_of_the_gradient(name):
    logits, targets = random_batch(12, 6, seed=3, dtype=torch.float64)
    loss = make(name)
    assert torch.autograd.gradgradcheck(lambda z: loss(z, targets), logits.requires_grad_(), atol=1e-6)
    value = loss(logits, targets)
    (plain,) = torch.autograd.grad(value, logits, retain_graph=True)
    (twice,) = torch.autograd.grad(value, logits, create_graph=True)
    torch.testing.assert_close(twice, plain, rtol=1e-12, atol=1e-14)


@every_loss
def test_gradient_of_a_shift_of_all_logits_is_zero(name):
    logits, targets = random_batch(40, 10, seed=4)
    _, grad = value_and_grad(make(name), logits, targets)
    torch.testing.assert_close(grad.sum(1), torch.zeros(40, dtype=torch.float64), atol=1e-12, rtol=0)
    assert grad.abs().max() > 1e-4


@every_loss
def test_label_types_and_strides(name):
    logits, targets = random_batch(24, 7, seed=5)
    loss = make(name)
    expected, expected_grad = value_and_grad(loss, logits, targets)
    wide = torch.stack([targets, targets], dim=1)
    for z, y in (
        (logits, targets.int()),
        (logits, targets.to(torch.uint8)),
        (logits.t().contiguous().t(), targets),
        (torch.cat([logits, logits], 1)[:, :7], wide[:, 0]),
    ):
        value, grad = value_and_grad(loss, z, y)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(grad, expected_grad)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(name, dtype):
    logits, targets = random_batch(32, 10, seed=6, dtype=dtype)
    loss = make(name)
    value, grad = value_and_grad(loss, logits, targets)
    expected, expected_grad = value_and_grad(loss, logits.float(), targets)
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    assert grad.dtype == dtype
    torch.testing.assert_close(grad, expected_grad.to(dtype))


@every_loss
def test_float64_stays_float64(name):
    logits, targets = random_batch()
    assert make(name)(logits, targets).dtype == torch.float64
    assert make(name).half()(logits, targets).dtype == torch.float64


@every_loss
def test_autocast_changes_nothing(name):
    logits, targets = random_batch(48, 10, seed=7, dtype=torch.float32)
    loss = make(name)
    expected, expected_grad = value_and_grad(loss, logits, targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, grad = value_and_grad(loss, logits, targets)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(grad, expected_grad, rtol=1e-5, atol=1e-8)


@every_loss
def test_autocast_of_a_layer_before_it(name):
    x, targets = random_batch(16, 10, seed=8, dtype=torch.float32)
    layer = torch.nn.Linear(10, 10)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = make(name)(layer(x), targets)
    value.backward()
    assert value.dtype == torch.float32
    assert layer.weight.grad.isfinite().all()
    assert layer.weight.grad.abs().max() > 0


@every_loss
def test_inputs_are_left_alone(name):
    logits, targets = random_batch(dtype=torch.float32)
    before, before_targets = logits.clone(), targets.clone()
    value_and_grad(make(name), logits, targets)
    assert torch.equal(logits, before)
    assert torch.equal(targets, before_targets)


@every_loss
def test_same_in_train_and_eval(name):
    logits, targets = random_batch()
    loss = make(name)
    assert torch.equal(loss.train()(logits, targets), loss.eval()(logits, targets))


@every_loss
def test_no_parameters_and_a_readable_repr(name):
    loss = make(name)
    assert list(loss.parameters()) == []
    assert type(loss).__name__ in repr(loss)


@every_loss
def test_copies_compute_the_same(name):
    logits, targets = random_batch()
    loss = make(name)
    expected = loss(logits, targets)
    assert torch.equal(copy.deepcopy(loss)(logits, targets), expected)
    assert torch.equal(pickle.loads(pickle.dumps(loss))(logits, targets), expected)


LOGITS = torch.zeros(3, 4)
BAD = {
    "fewer targets": (LOGITS, torch.tensor([0, 1])),
    "more targets": (LOGITS, torch.tensor([0, 1, 2, 3])),
    "targets of two dimensions": (LOGITS, torch.tensor([[0], [1], [2]])),
    "one-hot targets": (LOGITS, torch.eye(4)[:3]),
    "float targets": (LOGITS, torch.tensor([0.0, 1.0, 2.0])),
    "logits of one dimension": (torch.zeros(3), torch.tensor([0, 1, 2])),
    "logits of three dimensions": (torch.zeros(3, 4, 2), torch.tensor([0, 1, 2])),
    "integer logits": (torch.zeros(3, 4, dtype=torch.int64), torch.tensor([0, 1, 2])),
    "label K": (LOGITS, torch.tensor([0, 1, 4])),
    "label -1": (LOGITS, torch.tensor([0, 1, -1])),
    "label -100": (LOGITS, torch.tensor([0, -100, 2])),
    "all labels -100": (LOGITS, torch.tensor([-100, -100, -100])),
}


@every_loss
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line(name, case):
    logits, targets = BAD[case]
    with pytest.raises(ValueError, match=r"logits|targets") as error:
        make(name)(logits, targets)
    assert "\n" not in str(error.value)


class _OneDevice(TorchDispatchMode):
    """Refuses operations that take a tensor of another device, but for scalars: a GPU would wait for the copy."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for value in torch.utils._pytree.tree_leaves((args, kwargs)):
            if isinstance(value, torch.Tensor) and value.ndim:
                assert value.device.type == "meta", func
        return func(*args, **(kwargs or {}))


@every_loss
def test_a_step_copies_nothing_between_devices(name):
    logits, targets = random_batch(dtype=torch.float32)
    loss, logits, targets = make(name).to("meta"), logits.to("meta").requires_grad_(), targets.to("meta")
    with _OneDevice():
        loss(logits, targets).backward()
    assert logits.grad.device.type == "meta"


@every_loss
def test_made_on_the_default_device(name):
    with torch.device("meta"):
        loss = build(name)
    assert all(buffer.device.type == "meta" for buffer in loss.buffers())


@every_loss
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int32])
def test_labels_of_any_integer_type(name, dtype):
    logits, targets = random_batch()
    assert torch.equal(make(name)(logits, targets.to(dtype)), make(name)(logits, targets))
