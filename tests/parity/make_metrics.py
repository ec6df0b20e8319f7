"""Makes the fixture that the transfer metrics are compared against.

Average precision by scikit-learn's precision-recall curve, mean IU by its confusion matrix, multi-label mAP from the
former; detection by torchmetrics' boxes (`box_iou` of torchvision) and a matching written from VOC's rules, not from the
Rust code.

    pip install numpy scikit-learn torch torchvision
    python tests/parity/make_metrics.py

It overwrites `crates/transfer/src/metric/parity.json`, in the package that reads it; a second run writes the same bytes.
"""

import json
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_curve
from torchvision.ops import box_iou, nms

FIXTURE = Path(__file__).parents[2] / "crates/transfer/src/metric/parity.json"
rng = np.random.default_rng(7)


def both(truth, score, positives):
    """Eleven-point and all-point average precision from scikit-learn's curve, whose recalls fall to 0. Recall is of the
    positives in the ranking; `positives` counts those that were never found too."""
    precision, recall, _ = precision_recall_curve(truth, score)
    found = int(np.sum(truth))
    recall = recall * found / positives
    raised = np.maximum.accumulate(precision)  # best at this or a higher recall: the curve begins at the highest
    # The curve's last point, precision 1 at recall 0, is a convention and not a place of the ranking.
    raised, recall = raised[:-1], recall[:-1]
    at = lambda r: max([p for p, q in zip(precision[:-1], recall) if q >= r - 1e-12], default=0.0)
    eleven = float(np.mean([at(t / 10) for t in range(11)]))
    best = np.maximum.accumulate(precision[:-1])
    order = np.argsort(recall, kind="stable")
    r, p = np.concatenate([[0.0], recall[order]]), np.concatenate([[0.0], best[order]])
    # Of equal recalls the best precision counts; those of recall 0 have no width.
    area, previous = 0.0, 0.0
    for value in np.unique(r[r > 0]):
        area += (value - previous) * p[r >= value].max()
        previous = value
    return eleven, float(area)


def rankings():
    cases = []
    for size, share, difficult in [(1, 1.0, 0.0), (7, 0.5, 0.0), (40, 0.2, 0.2), (200, 0.05, 0.1), (300, 0.6, 0.0)]:
        truth = (rng.random(size) < share).astype(int)
        truth[0] = 1
        kind = np.where(rng.random(size) < difficult, 0, np.where(truth == 1, 1, -1))
        kind[0] = 1
        score = rng.permutation(size).astype(np.float32) / size
        counted = kind != 0
        eleven, area = both(kind[counted] == 1, score[counted], int((kind == 1).sum()))
        cases.append({"kinds": kind.tolist(), "scores": score.tolist(), "eleven": eleven, "all": area})
    return cases


def boxes(count):
    corner = rng.integers(0, 60, (count, 2))
    side = rng.integers(15, 50, (count, 2))
    return np.concatenate([corner, corner + side], 1).astype(np.float32)


def detections():
    """Truths in 12 pictures; detections near them and elsewhere."""
    truths, found = [], []
    for picture in range(12):
        own = boxes(int(rng.integers(0, 4)))
        for box in own:
            truths.append((picture, box, bool(rng.random() < 0.25)))
            for _ in range(int(rng.integers(0, 4))):
                found.append((picture, box + rng.integers(-9, 10, 4).astype(np.float32)))
        found += [(picture, box) for box in boxes(int(rng.integers(0, 4)))]
    scores = (rng.permutation(len(found)) / len(found)).astype(np.float32)
    kinds = np.zeros(len(found), int)
    taken = set()
    for number in np.argsort(-scores):
        picture, box = found[number]
        own = [i for i, truth in enumerate(truths) if truth[0] == picture]
        kinds[number] = -1
        if own:
            overlap = box_iou(torch.tensor(box[None]), torch.tensor(np.stack([truths[i][1] for i in own])))[0]
            best = own[int(overlap.argmax())]
            if float(overlap.max()) >= 0.5:
                kinds[number] = 0 if truths[best][2] else (-1 if best in taken else 1)
                if kinds[number] == 1:
                    taken.add(best)
    positives = sum(not truth[2] for truth in truths)
    counted = kinds != 0
    eleven, area = both(kinds[counted] == 1, scores[counted], positives)
    return {
        "truths": [[p, *map(float, b), d] for p, b, d in truths],
        "found": [[p, *map(float, b), float(s)] for (p, b), s in zip(found, scores)],
        "eleven": eleven,
        "all": area,
    }


def labels():
    truth = rng.integers(0, 5, 900)
    answer = np.where(rng.random(900) < 0.6, truth, rng.integers(0, 5, 900))
    truth[rng.random(900) < 0.1] = 255
    counted = truth != 255
    table = confusion_matrix(truth[counted], answer[counted], labels=range(6))  # class 5 never occurs
    both_ways = table.sum(0) + table.sum(1) - np.diag(table)
    union = np.diag(table)[both_ways > 0] / both_ways[both_ways > 0]
    return {
        "truths": truth.tolist(),
        "answers": answer.tolist(),
        "mean_iu": float(union.mean()),
        "accuracy": float(accuracy_score(truth[counted], answer[counted])),
    }


def suppression():
    every = boxes(60)
    scores = (rng.permutation(60) / 60).astype(np.float32)
    kept = nms(torch.tensor(every), torch.tensor(scores), 0.3)
    return {"boxes": every.tolist(), "scores": scores.tolist(), "kept": kept.tolist()}


fixture = {"rankings": rankings(), "detection": detections(), "labels": labels(), "suppression": suppression()}
FIXTURE.write_text(json.dumps(fixture) + "\n")
print(FIXTURE, FIXTURE.stat().st_size, "bytes")
