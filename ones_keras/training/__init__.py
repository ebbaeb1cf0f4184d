from ones_keras.training.lamb import Lamb

__all__ = ["Lamb"]
