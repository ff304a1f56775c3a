"""Small made-up data sets in exactly the on-disk formats that the readers expect."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH = 48, 64


def room():
    """Return the depth (H, W) and the optical normals (H, W, 3) of an empty room."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    x = (columns - (WIDTH - 1) / 2) / WIDTH
    y = (rows - (HEIGHT - 1) / 2) / WIDTH
    distances = np.stack([1.2 / np.maximum(x, 1e-9), 1.2 / np.maximum(-x, 1e-9),
                          1.0 / np.maximum(y, 1e-9), 1.0 / np.maximum(-y, 1e-9),
                          np.full_like(x, 5.0)])
    facing = np.array([(-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1)], np.float32)
    return distances.min(axis=0).astype(np.float32), facing[distances.argmin(axis=0)]


def picture(seed):
    """Return an RGB image (H, W, 3) that differs from seed to seed."""
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def save_picture(path, values):
    """Write a PNG or JPEG and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def save_array(path, values):
    """Write an .npy and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


def encode(normals):
    """Return normals as 8-bit RGB."""
    return np.round((normals + 1) * 127.5).astype(np.uint8)


def write_nyud(root: Path, *, arrays=False, signs=(1, 1, 1)):
    """Write three images: 0001 and 0002 to train, 0009 to validate; ``arrays``: the older kind."""
    depth, normals = room()
    depth[:, :4] = 0
    stored = normals * np.array(signs)
    classes = np.full((HEIGHT, WIDTH), 1, np.uint8)
    classes[:3], classes[40:] = 0, 40
    edges = np.zeros((HEIGHT, WIDTH), np.uint8)
    edges[:, 30:32] = 1
    for seed, name in enumerate(('0001', '0002', '0009')):
        save_picture(root / f'images/{name}.{"jpg" if arrays else "png"}', picture(seed))
        save_picture(root / f'segmentation/{name}.png', classes)
        save_array(root / f'depth/{name}.npy', depth)
        if arrays:
            save_array(root / f'normals/{name}.npy', stored.astype(np.float32))
            save_array(root / f'edge/{name}.npy', edges.astype(np.float64))
        else:
            save_picture(root / f'normals/{name}.png', encode(stored))
            save_picture(root / f'edge/{name}.png', edges * np.uint8(255))
    _write_split(root / 'gt_sets', ['0001', '0002'], ['0009'])
    return root


def annotation(name, things):
    """Nest (class, class id, mask, [(part, mask)]) as the files of PASCAL-Part do."""
    fields = [(key, object) for key in ('class', 'class_ind', 'mask', 'parts')]
    objects = np.zeros((1, len(things)), fields)
    for place, (kind, number, mask, parts) in enumerate(things):
        nested = np.zeros((1, len(parts)), [('part_name', object), ('mask', object)])
        for index, (part, part_mask) in enumerate(parts):
            nested[0, index] = (part, part_mask.astype(np.uint8))
        objects[0, place] = (kind, np.array([[number]], np.uint8), mask.astype(np.uint8),
                             nested if parts else np.zeros((0, 0)))
    anno = np.zeros((1, 1), [('imname', object), ('objects', object)])
    anno[0, 0] = (name, objects)
    return {'anno': anno}


def write_pascal(root: Path):
    """
    Write three images, each with a person on the left before a wall and the sky above.

    2008_000003 has the person's parts, 2008_000007 a chair only, 2008_000009 (validation) a person
    without parts; the second one has no classes of VOC 2012.
    """
    person = np.zeros((HEIGHT, WIDTH), bool)
    person[15:45, 10:25] = True
    head, torso = person.copy(), person.copy()
    head[25:], torso[:25] = False, False
    things = {'2008_000003': [('person', 15, person, [('lear', head), ('torso', torso)])],
              '2008_000007': [('chair', 9, person, [])],
              '2008_000009': [('person', 15, person, [])]}
    classes = np.zeros((HEIGHT, WIDTH), np.uint8)
    classes[person], classes[0] = 15, 255
    regions = np.full((HEIGHT, WIDTH), 440, np.uint16)
    regions[:10], regions[person] = 360, 284
    for seed, (name, objects) in enumerate(things.items()):
        folder = 'pascal-context' if name.endswith('7') else 'VOC12'
        save_picture(root / f'JPEGImages/{name}.jpg', picture(seed))
        _save_palette(root / f'semseg/{folder}/{name}.png', classes)
        save_picture(root / f'normals_distill/{name}.png', encode(room()[1]))
        save_picture(root / f'sal_distill/{name}.png', np.where(person, 200, 90).astype(np.uint8))
        _save_mat(root / f'human_parts/{name}.mat', annotation(name, objects))
        _save_mat(root / f'pascal-context/trainval/{name}.mat', {'LabelMap': regions})
    _write_split(root / 'ImageSets/Context', list(things)[:2], list(things)[2:])
    return root


def write_frames(folder: Path, count, *, labelled=None, tasks=('semseg', 'depth')):
    """Write ``NAME`` 0, 1, ... of grey value 10 x NAME, with class NAME and depth NAME + 1 m."""
    for number in range(count):
        image = np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)
        save_picture(folder / f'rgb/{number}.png', image)
        if labelled is not None and number not in labelled:
            continue
        maps = {'semseg': np.full((HEIGHT, WIDTH), number, np.uint8),
                'depth': np.full((HEIGHT, WIDTH), 1000 * (number + 1), np.uint16)}
        for task in tasks:
            save_picture(folder / f'{task}/{number}.png', maps[task])


def write_labels(root: Path, count=20):
    """Write a label file with ``count`` classes."""
    lines = [f'- {{id: {number}, name: c{number}, rgb: [{number}, 0, 0]}}'
             for number in range(count)]
    root.mkdir(parents=True, exist_ok=True)
    (root / 'labels.yaml').write_text('\n'.join(lines))


def _write_split(folder, train, val):
    folder.mkdir(parents=True)
    (folder / 'train.txt').write_text('\n'.join(train) + '\n')
    (folder / 'val.txt').write_text('\n'.join(val) + '\n')


def _save_palette(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    palette = Image.fromarray(ids, mode='P')
    palette.putpalette(list(range(255, -1, -1)) * 3)
    palette.save(path)


def _save_mat(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, values)
