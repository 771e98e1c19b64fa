"""Com o que toda família é medida. Cada função diz a unidade do que devolve."""

from course_lib.metrics.likelihood import binarize, elbo_terms, log_aggregate_posterior, rate_terms, vae_nll
from course_lib.metrics.modes import ModeReport, count_modes
from course_lib.metrics.reconstruction import PCA, psnr, reconstruction_error, squared_error, ssim
from course_lib.metrics.report import expect_range, network_evaluations, parameter_count
from course_lib.metrics.samples import Floor, Judge, SampleReport, differs

__all__ = [
    "PCA",
    "Floor",
    "Judge",
    "ModeReport",
    "SampleReport",
    "binarize",
    "count_modes",
    "differs",
    "elbo_terms",
    "expect_range",
    "log_aggregate_posterior",
    "network_evaluations",
    "parameter_count",
    "psnr",
    "rate_terms",
    "reconstruction_error",
    "squared_error",
    "ssim",
    "vae_nll",
]
