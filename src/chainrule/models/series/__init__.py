"""Real values, and the three kinds of state: the last values, a latent one, a learned one."""

from chainrule.models.series.autoregression import (
    Autoregression,
    choose_lags,
    fit_autoregression,
    seasonal_naive,
)
from chainrule.models.series.complex_smoothing import ComplexSmoothing, fit_complex
from chainrule.models.series.moving_average import (
    MovingAverage,
    Orders,
    choose_moving_average,
    fit_moving_average,
)
from chainrule.models.series.smoothing import ExponentialSmoothing, Form, Hidden, Rates, fit_smoothing
from chainrule.models.series.transforms import (
    Difference,
    Log,
    Root,
    Scale,
    Season,
    Step,
    Transformed,
    deseasoned,
    differenced,
    logged,
    scaled,
    transformed,
)

__all__ = [
    "Autoregression",
    "ComplexSmoothing",
    "Difference",
    "ExponentialSmoothing",
    "Form",
    "Hidden",
    "Log",
    "MovingAverage",
    "Orders",
    "Rates",
    "Root",
    "Scale",
    "Season",
    "Step",
    "Transformed",
    "choose_lags",
    "choose_moving_average",
    "deseasoned",
    "differenced",
    "fit_autoregression",
    "fit_complex",
    "fit_moving_average",
    "fit_smoothing",
    "logged",
    "scaled",
    "seasonal_naive",
    "transformed",
]
