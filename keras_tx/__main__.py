"""`python -m keras_tx`: the same as `keras-tx`."""

from keras_tx.cli.main import main

if __name__ == "__main__":
    main()
