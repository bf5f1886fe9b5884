"""The parts of a run, each by itself."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from sivae_translate.training.augment import augment, bend
from sivae_translate.training.log import LogFiles, Means
from sivae_translate.training.optimizers import NonFiniteLossError, Players, moving_average
from sivae_translate.training.processes import new_accelerator
from sivae_translate.training.state import Budget, Schedule, State
from sivae_translate.types import Batch, Round


def test_the_budget_ends_with_whichever_limit_binds() -> None:
    assert Budget(1000, 0).progress(State(images=250)) == 0.25
    assert Budget(0, 2).progress(State(seconds=30)) == 0.25
    assert Budget(1000, 2).progress(State(images=250, seconds=60)) == 0.5
    assert Budget(1000, 0).progress(State(images=2000)) == 1


def test_time_left_follows_the_pace_so_far() -> None:
    assert Budget(1000, 0).seconds_left(State(images=250, seconds=10)) == pytest.approx(30)
    assert Budget(1000, 0).seconds_left(State()) == math.inf


def test_the_learning_rate_ramps_up_and_falls_to_nothing() -> None:
    schedule = Schedule(lr=0.1, ramp=100)
    assert schedule(0, 0.0) == pytest.approx(0.001)
    assert schedule(1000, 0.0) == pytest.approx(0.1)
    assert schedule(1000, 0.5) == pytest.approx(0.05)
    assert schedule(1000, 1.0) == pytest.approx(0.0)


def coloured_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(8, 3, 4, 4, generator=generator)
    images[:, :, 0] = 1.0  # a white row
    return Batch(images, torch.arange(4).repeat_interleave(2))


def augmented(batch: Batch, domain_aug: float, encoder_warp: float, progress: float = 0.0) -> Batch:
    return augment(batch, progress, torch.Generator().manual_seed(1), domain_aug=domain_aug, encoder_warp=encoder_warp)


def bar() -> Batch:
    images = torch.ones(8, 3, 32, 32)
    images[:, :, 12:20, 8:24] = 0.0
    return Batch(images, torch.arange(4).repeat_interleave(2))


def test_both_images_of_a_varied_pair_have_the_same_hue_and_proportions() -> None:
    batch = coloured_batch()
    same = Batch(batch.images[::2].repeat_interleave(2, 0), batch.domains)  # pairs of one image
    varied = augmented(same, 1.0, 0.0)
    torch.testing.assert_close(varied.images[0::2], varied.images[1::2])
    assert (varied.images - same.images).abs().amax((1, 2, 3)).min() > 0.01
    assert varied.domains.tolist() == [-1] * 8
    assert varied.targets is varied.images


def test_variants_spare_white_and_differ_from_each_other_in_size() -> None:
    varied = augmented(bar(), 1.0, 0.0)
    torch.testing.assert_close(varied.images[:, :, 0], bar().images[:, :, 0])  # the ground stays white
    widths = (1 - varied.images[::2, 0, 16]).sum(1)  # of a bar 16 pixels wide
    assert widths.std() > 0.3 and 16 * math.exp(-0.13) < widths.min() and widths.max() < 16 * math.exp(0.13)


def test_pairs_that_are_not_varied_are_left_alone() -> None:
    batch = coloured_batch()
    varied = augmented(batch, 0.5, 0.0)
    kept = varied.domains >= 0
    assert 0 < kept.sum() < 8 and torch.equal(kept[::2], kept[1::2])
    assert torch.equal(varied.images[kept], batch.images[kept])
    assert torch.equal(varied.domains[kept], batch.domains[kept])


def test_the_last_fifth_is_for_the_domains_that_are_there() -> None:
    batch = coloured_batch()
    assert augmented(batch, 1.0, 0.0, 0.79) is not batch
    assert augmented(batch, 1.0, 0.0, 0.8) is batch


def test_a_bent_variant_must_become_straight() -> None:
    batch = coloured_batch()
    bent, both = augmented(batch, 0.0, 0.5), augmented(batch, 1.0, 0.5)
    assert (bent.images - batch.images).abs().amax((1, 2, 3)).min() > 0.01
    assert torch.equal(bent.targets, batch.images)
    assert torch.equal(both.targets, augmented(batch, 1.0, 0.0).images)


def test_warping_moves_the_object_within_its_frame_and_keeps_its_domain() -> None:
    batch = bar()
    warped = augmented(batch, 0.0, 0.4)
    assert torch.equal(warped.domains, batch.domains)
    torch.testing.assert_close(warped.images[:, :, 0], batch.images[:, :, 0])  # the ground stays white
    columns = torch.arange(32) + 0.5
    centres = ((1 - warped.images[:, 0]).sum(1) * columns).sum(1) / (1 - warped.images[:, 0]).sum((1, 2))
    assert centres.std() > 1
    areas = (1 - warped.images).sum((1, 2, 3)) / (1 - batch.images).sum((1, 2, 3))
    assert 0.4 < areas.min() < areas.max() < 2.5


def test_bending_by_hand() -> None:
    ramp = ((torch.arange(8) + 0.5) / 8).view(1, 1, 1, 8).expand(1, 3, 8, 8)
    bent = bend(ramp, torch.tensor([[3 * math.log(2), 0.0, 0.0, 0.0]]))  # twice as wide
    x = (torch.arange(8) + 0.5) / 8
    torch.testing.assert_close(bent[0, 0, 0], 0.5 + (x - 0.5) / 2)
    shifted = bend(ramp, torch.tensor([[0.0, 0.0, 0.25, 0.0]]))
    torch.testing.assert_close(shifted[0, 0, 0, 3:5].mean(), torch.tensor(0.5 + 0.125), rtol=0, atol=2e-3)


def test_warping_dies_away_and_is_gone_when_it_should_be() -> None:
    batch = bar()
    first, half, late = ((augmented(batch, 0.0, 0.4, at).images - batch.images).abs().sum() for at in (0, 0.25, 0.4))
    assert first == half > late > 0
    assert augmented(batch, 0.0, 0.4, 0.5) is batch


def test_without_augmentation_targets_are_the_images() -> None:
    batch = coloured_batch()
    assert augmented(batch, 0.0, 0.0) is batch
    assert batch.targets is batch.images


class Pair(nn.Module):
    """Two players of one weight each."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)


def test_a_loss_that_is_not_finite_touches_no_weight() -> None:
    pair = Pair()
    players = Players(pair, new_accelerator("cpu", "fp32"), lr=0.1, betas=(0.9, 0.99))
    before = pair.encoder.weight.clone()
    with pytest.raises(NonFiniteLossError, match="encoder's loss became nan"):
        players.update(Round(("encoder",), pair.encoder.weight.sum() * math.nan, {}))
    assert torch.equal(pair.encoder.weight, before)
    assert pair.encoder.weight.grad is None


@pytest.mark.parametrize(("clip", "expected"), [(0.5, [0.3, -0.4]), (0.0, [30.0, -40.0])])
def test_each_player_s_gradient_is_shortened_to_the_limit(clip: float, expected: list[float]) -> None:
    pair = Pair()
    pair.encoder = nn.Linear(2, 1, bias=False)
    players = Players(pair, new_accelerator("cpu", "fp32"), lr=0.1, betas=(0.0, 0.99), clip=clip)
    loss = (pair.encoder.weight * torch.tensor([30.0, -40.0])).sum() + 0.25 * pair.decoder.weight.sum()
    players.update(Round(("encoder", "decoder"), loss, {}))
    momentum = {name: optimizer.optimizer.state_dict()["state"][0] for name, optimizer in players.optimizers.items()}
    torch.testing.assert_close(momentum["encoder"]["exp_avg"], torch.tensor([expected]), rtol=1e-5, atol=0)
    torch.testing.assert_close(momentum["decoder"]["exp_avg"], torch.tensor([[0.25]]))  # as it was


def test_the_moving_average_forgets_its_start_in_short_runs() -> None:
    layer = nn.Linear(1, 1, bias=False)
    average = moving_average(layer, 0.999)
    for value in [100.0] + [1.0] * 200:
        nn.init.constant_(layer.weight, value)
        average.update_parameters(layer)
    assert average.module.weight.item() == pytest.approx(1.0, abs=0.5)
    nn.init.constant_(layer.weight, 2.0)
    average.update_parameters(layer)
    assert 1.0 < average.module.weight.item() < 1.5


def test_means_are_over_the_steps_in_which_a_term_appeared() -> None:
    means = Means()
    means.add({"rec": torch.tensor(2.0)})
    means.add({"rec": torch.tensor(4.0), "gap": torch.tensor(1.0)})
    assert means.take() == {"rec": 3.0, "gap": 1.0}
    assert means.take() == {}


def test_the_log_is_lines_of_json_and_a_table(tmp_path: Path) -> None:
    log = LogFiles(tmp_path)
    log.write({"images": 10, "seconds": 1.0, "lr": 1e-3, "images_per_s": 10.0, "rec": 5.0, "kl_real": 1.0})
    LogFiles(tmp_path).write({"images": 20, "seconds": 2.0, "lr": 1e-3, "images_per_s": 10.0, "gap": -0.5})
    assert [json.loads(line)["images"] for line in log.jsonl.read_text().splitlines()] == [10, 20]
    rows = list(csv.DictReader(log.csv.open()))
    assert [(row["images"], row["rec"], row["gap"]) for row in rows] == [("10", "5", ""), ("20", "", "-0.5")]
