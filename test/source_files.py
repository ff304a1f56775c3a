"""Folders and buckets with empty recordings, and what is found in them."""

from mtshare_ros.fleet.output.places import open_place
from mtshare_ros.fleet.sources.sources import find_sources

DRIVES = (
    'drives/a/a_0.mcap', 'drives/a/a_1.mcap', 'drives/a/metadata.yaml', 'drives/k/k_0.db3',
    'drives/k/k_1.db3', 'drives/2.mcap', 'drives/10.mcap.zstd', 'drives/day/front.MP4',
    'drives/photos/1.png', 'drives/photos/2.jpg', 'drives/notes.pdf', 'drives/.x/hidden.mcap',
    'drives/b.part/b_0.mcap')
FOUND = [('2', 'bag'), ('10', 'bag'), ('a', 'bag'), ('day/front', 'video'), ('k', 'bag'),
         ('photos', 'images')]


def touch(folder, *names, text='x'):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def upload(url, *names, text='x'):
    for name in names:
        open_place(url).write_bytes(name, text.encode())
    return url


def found(*texts, known=(), **options):
    sources = find_sources(list(map(str, texts)), dict(known), **options)
    return [(source.name, source.kind) for source in sources]


def names(*texts, **options):
    return [name for name, _ in found(*texts, **options)]
