import numpy as np
import torch

from pacdream.metric.codebook import CodebookUse, class_iou, perplexity

CLASSES = 5


def confusion_of(predicted: np.ndarray, real: np.ndarray) -> torch.Tensor:
    confusion = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    for r, p in zip(real.flat, predicted.flat, strict=True):
        confusion[r, p] += 1
    return confusion


def test_class_iou_equals_a_naive_loop() -> None:
    rng = np.random.default_rng(0)
    predicted, real = rng.integers(CLASSES, size=(2, 6, 7))
    iou = class_iou(confusion_of(predicted, real))
    for k in range(CLASSES):
        both = ((predicted == k) & (real == k)).sum()
        either = ((predicted == k) | (real == k)).sum()
        assert np.isclose(iou[k], both / either)


def test_iou_of_a_class_that_never_occurs_is_nan() -> None:
    iou = class_iou(confusion_of(np.array([0, 1, 1]), np.array([0, 1, 0])))
    assert iou.isnan().tolist() == [False, False, True, True, True]


def test_iou_of_a_class_that_is_only_imagined_is_zero() -> None:
    assert class_iou(confusion_of(np.array([2]), np.array([0])))[2] == 0


def test_iou_of_a_perfect_reconstruction_is_one() -> None:
    real = np.arange(CLASSES)
    assert class_iou(confusion_of(real, real)).tolist() == [1] * CLASSES


def test_perplexity_of_uniform_use_is_the_codebook_size() -> None:
    torch.testing.assert_close(perplexity(torch.full((256,), 3)), torch.tensor(256.0))


def test_perplexity_of_a_single_code_is_one() -> None:
    assert perplexity(torch.tensor([0, 7, 0])) == 1


def test_perplexity_equals_a_naive_loop() -> None:
    counts = np.array([1, 2, 3, 0, 10])
    entropy = -sum(n / 16 * np.log(n / 16) for n in counts if n)
    assert np.isclose(perplexity(torch.from_numpy(counts)), np.exp(entropy))


def test_codebook_use_accumulates_over_batches() -> None:
    codes, whole, parts = torch.randint(8, (6, 7, 5)), CodebookUse(16), CodebookUse(16)
    whole.update(codes)
    for part in codes.split(2):
        parts.update(part)
    assert parts.compute() == whole.compute()


def test_codebook_usage_is_the_share_of_codes_seen() -> None:
    use = CodebookUse(16)
    use.update(torch.tensor([0, 3, 3, 15]))
    assert use.compute()["usage"] == 3 / 16


def test_codebook_use_forgets_on_reset() -> None:
    use = CodebookUse(16)
    use.update(torch.arange(16))
    use.reset()
    use.update(torch.tensor([4]))
    assert use.compute() == {"perplexity": 1, "usage": 1 / 16}
