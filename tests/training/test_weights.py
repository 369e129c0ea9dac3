"""Weights on disk: whole or not at all, of this network or an error; the plain mean."""

import keras
import numpy as np
import pytest

from keras_tx.training import SnapshotAverage
from keras_tx.training.weights import get_values, read_arrays, set_values, write_arrays


def test_arrays_and_facts_come_back_in_order(tmp_path):
    arrays = [np.full(number, number, "float32") for number in range(12)]  # 10 is after 9
    arrays.append(np.array([1, 2**31], "uint32"))
    facts = {"step": 3, "best": float("inf"), "history": [{"loss": 0.5}]}
    write_arrays(tmp_path / "state.npz", arrays, facts)
    found, found_facts = read_arrays(tmp_path / "state.npz")
    assert found_facts == facts
    for expected, array in zip(arrays, found, strict=True):
        assert array.dtype == expected.dtype and array.tolist() == expected.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "state.npz"
    write_arrays(path, [np.ones(2)], {"step": 1})
    with pytest.raises(TypeError):
        write_arrays(path, [np.zeros(2)], {"step": object()})
    arrays, facts = read_arrays(path)
    assert arrays[0].tolist() == [1, 1] and facts == {"step": 1}


@pytest.mark.parametrize("keep", [0, 7, 0.5, 0.95])
def test_a_damaged_file_is_a_clear_error(tmp_path, keep):
    path = tmp_path / "state.npz"
    write_arrays(path, [np.arange(300.0)], {"step": 1})
    content = path.read_bytes()
    path.write_bytes(content[: keep if keep > 1 else int(len(content) * keep)])
    with pytest.raises(ValueError, match=r"checkpoint written by keras_tx. Received: .*state.npz"):
        read_arrays(path)


def test_other_arrays_are_a_clear_error(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.ones(2), b=np.ones(2))
    with pytest.raises(ValueError, match="checkpoint written by keras_tx"):
        read_arrays(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "none.npz")


def test_values_of_another_network():
    variables = [keras.Variable(np.zeros((2, 3))), keras.Variable(np.zeros(3))]
    set_values(variables, [np.ones((2, 3)), np.ones(3)], "here")
    assert [value.sum() for value in get_values(variables)] == [6, 3]
    with pytest.raises(ValueError, match=r"same 2 weights. Received: here .*\(3,\), \(4,\)"):
        set_values(variables, [np.zeros((2, 3)), np.zeros(4)], "here")
    with pytest.raises(ValueError, match="Received: here with 1 weights, .* in number"):
        set_values(variables, [np.zeros((2, 3))], "here")
    assert [value.sum() for value in get_values(variables)] == [6, 3]  # Nothing half assigned.


def test_mean_of_the_last_snapshots(tmp_path):
    average = SnapshotAverage(tmp_path, count=3)
    generator = np.random.default_rng(0)
    values = [
        [generator.normal(size=(2, 2)).astype("float32"), np.array([step], "uint32")]
        for step in range(5)
    ]
    for step, value in enumerate(values):
        average.add(10 ** (step + 1), value)  # 1000 is after 200: numbers, not texts, in order
    assert len(average.paths()) == 3
    mean = average.mean()
    np.testing.assert_allclose(mean[0], np.mean([value[0] for value in values[2:]], axis=0), 1e-6)
    assert mean[1].tolist() == [3]
    assert [array.dtype for array in mean] == ["float32", "uint32"]
    # Another object finds them: a resumed training goes on with them.
    np.testing.assert_array_equal(SnapshotAverage(tmp_path, count=3).mean()[0], mean[0])


def test_the_same_step_again_takes_the_place_of_the_first(tmp_path):
    average = SnapshotAverage(tmp_path, count=2)
    for step, value in [(1, 0.0), (2, 5.0), (2, 7.0)]:
        average.add(step, [np.array(value)])
    assert average.mean()[0] == 3.5


def test_mean_of_the_best_snapshots(tmp_path):
    average = SnapshotAverage(tmp_path, count=2, best=True)
    for step, rank in enumerate([-3.0, -5.0, float("nan"), -1.0, -5.0, -4.0]):
        average.add(step, [np.array(10.0**step)], rank)
    assert average.mean()[0] == (10**1 + 10**4) / 2
    average.add(4, [np.array(7.0)], -2.0)  # Taken again: the older of its step is gone.
    average.add(6, [np.array(9.0)], -2.0)
    assert average.mean()[0] == (10**1 + 9) / 2


def test_clear_and_errors(tmp_path):
    average = SnapshotAverage(tmp_path / "new" / "folder", count=1)
    average.add(1, [np.ones(1)])
    average.clear()
    with pytest.raises(ValueError, match="at least one snapshot. Received: none in"):
        average.mean()
    with pytest.raises(ValueError, match="positive integer. Received: count=0"):
        SnapshotAverage(tmp_path, count=0)


def test_a_new_file_takes_the_place_of_the_old_one_at_once(tmp_path):
    """Copied over the old one, half of each would be there for a moment."""
    write_arrays(tmp_path / "state.npz", [np.ones(2)], {"step": 1})
    (tmp_path / "still.npz").hardlink_to(tmp_path / "state.npz")
    write_arrays(tmp_path / "state.npz", [np.zeros(2)], {"step": 2})
    assert read_arrays(tmp_path / "still.npz")[1] == {"step": 1}
    assert read_arrays(tmp_path / "state.npz")[1] == {"step": 2}


def test_the_mean_of_half_precision_is_not_summed_in_it(tmp_path):
    average = SnapshotAverage(tmp_path, count=2)
    for step in range(2):
        average.add(step, [np.full(2, 40_000, "float16")])  # Together more than 65,504
    (mean,) = average.mean()
    assert mean.dtype == "float16" and mean.tolist() == [40_000, 40_000]
