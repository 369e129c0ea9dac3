"""The bar: on standard error, one for all rounds, and from where a stopped training was."""

from keras_tx.training import ProgressBar


def play(bar, rounds, steps):
    for _ in range(rounds):
        bar.on_train_begin()  # Each round "begins".
        for batch in range(steps):
            bar.on_train_batch_end(batch, {"loss": 0.25})
        bar.on_epoch_end(0, {"loss": 0.25, "val_loss": 0.125})
    bar.close()


def test_one_bar_over_all_rounds(capsys):
    play(ProgressBar(total_steps=6), rounds=2, steps=3)
    out, err = capsys.readouterr()
    assert out == ""
    assert "6/6" in err and "100%" in err
    assert "step 3: loss 0.2500, val_loss 0.1250" in err
    assert "step 6: loss 0.2500, val_loss 0.1250" in err


def test_it_goes_on_where_the_training_stopped(capsys):
    play(ProgressBar(total_steps=10, first_step=4), rounds=1, steps=3)
    err = capsys.readouterr().err
    assert "4/10" in err and "7/10" in err and "step 7:" in err


def test_closing_a_bar_that_never_began(capsys):
    ProgressBar(total_steps=10).close()
    assert capsys.readouterr().err == ""
