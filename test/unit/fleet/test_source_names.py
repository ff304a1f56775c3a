"""Names of recordings are unique, safe on every file system, and stay the same."""

from hypothesis import given, settings, strategies as st

from mtshare_ros.fleet.sources.recording_names import give_names, Located, safe

PARTS = st.one_of(
    st.text(min_size=1, max_size=12).filter(lambda text: '/' not in text),
    st.sampled_from(['..', '.', 'a', 'A', 'a.part', 'ä', 'a\u0308', 'x' * 300, '-rf', 'a.mcap']))
LOCATIONS = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: '/' + '/'.join(parts))
ENDINGS = st.sampled_from(['', '.mp4', '.mcap'])


@st.composite
def places(draw):
    """Draw recordings of different locations below roots of theirs."""
    chosen = draw(st.lists(st.tuples(LOCATIONS, st.integers(0, 3), ENDINGS), max_size=12,
                           unique_by=lambda item: item[0] + item[2]))
    return [Located(location + ending, '/'.join(location.split('/')[:depth + 1]), ending)
            for location, depth, ending in chosen]


def folders(name):
    parts = name.split('/')
    return {'/'.join(parts[:count]) for count in range(1, len(parts))}


@settings(deadline=None)
@given(places())
def test_names_are_unique_and_none_is_the_folder_of_another(located):
    names = give_names(located, {})

    folded = [name.casefold() for name in names.values()]
    assert names.keys() == {place.location for place in located}
    assert len(set(folded)) == len(folded)
    assert not set(folded) & set().union(*map(folders, folded))


@settings(deadline=None)
@given(places(), st.dictionaries(LOCATIONS, LOCATIONS, max_size=3))
def test_names_are_safe_whatever_an_earlier_run_is_said_to_have_given(located, known):
    for name in give_names(located, known).values():
        assert not name.startswith('/') and len(name.encode()) <= 500
        for part in name.split('/'):
            assert part and part not in ('.', '..') and len(part.encode()) <= 120
            assert part[0] not in '.-' and not part.endswith(('.', '.part', '.mcap', '.db3'))
            assert all(letter.isalnum() or letter in '_.-' for letter in part)


@settings(deadline=None)
@given(places(), st.data())
def test_a_name_stays_when_recordings_are_added(located, data):
    first = data.draw(st.integers(0, len(located)))
    known = give_names(located[:first], {})

    assert known.items() <= give_names(located, known).items()


@settings(deadline=None)
@given(st.text())
def test_what_is_safe_is_not_changed_again(text):
    assert safe(safe(text)) == safe(text)
