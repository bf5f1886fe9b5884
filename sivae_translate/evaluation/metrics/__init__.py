"""The metrics of `evaluate`. A new metric is one file here, and its import and line in `METRICS`."""

from __future__ import annotations

from sivae_translate.evaluation.metrics.diversity import DIVERSITY_LPIPS, DIVERSITY_RANDOM_VGG16
from sivae_translate.evaluation.metrics.domain_accuracy import DOMAIN_ACCURACY, DOMAIN_PAIRS_ACCURACY
from sivae_translate.evaluation.metrics.edge_agreement import DOMAIN_PAIRS_EDGE_AGREEMENT, EDGE_AGREEMENT
from sivae_translate.evaluation.metrics.fid import DOMAIN_PAIRS_FID, FID
from sivae_translate.evaluation.metrics.gradient_ratio import GRADIENT_RATIO
from sivae_translate.evaluation.metrics.kid import (
    DOMAIN_PAIRS_KID,
    DOMAIN_PAIRS_KID_RANDOM_VGG16,
    KID,
    KID_RANDOM_VGG16,
)
from sivae_translate.evaluation.metrics.metric import Metric
from sivae_translate.evaluation.metrics.perceptual import LPIPS, PERCEPTUAL_RANDOM_VGG16
from sivae_translate.evaluation.metrics.probes import (
    DOMAIN_FROM_CONTENT,
    DOMAIN_FROM_SAMPLED_CONTENT,
    LABEL_FROM_CONTENT,
    LABEL_FROM_SAMPLED_STYLE,
    LABEL_FROM_STYLE,
)
from sivae_translate.evaluation.metrics.psnr import PSNR
from sivae_translate.evaluation.metrics.retrieval import TOP1_RETRIEVAL
from sivae_translate.evaluation.metrics.ssim import SSIM
from sivae_translate.evaluation.metrics.two_sample import TWO_SAMPLE

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        PSNR,
        SSIM,
        LPIPS,
        PERCEPTUAL_RANDOM_VGG16,
        TOP1_RETRIEVAL,
        EDGE_AGREEMENT,
        GRADIENT_RATIO,
        FID,
        KID,
        KID_RANDOM_VGG16,
        TWO_SAMPLE,
        DOMAIN_ACCURACY,
        DOMAIN_PAIRS_ACCURACY,
        DOMAIN_PAIRS_EDGE_AGREEMENT,
        DOMAIN_PAIRS_FID,
        DOMAIN_PAIRS_KID,
        DOMAIN_PAIRS_KID_RANDOM_VGG16,
        DOMAIN_FROM_CONTENT,
        DOMAIN_FROM_SAMPLED_CONTENT,
        LABEL_FROM_STYLE,
        LABEL_FROM_SAMPLED_STYLE,
        LABEL_FROM_CONTENT,
        DIVERSITY_LPIPS,
        DIVERSITY_RANDOM_VGG16,
    )
}
