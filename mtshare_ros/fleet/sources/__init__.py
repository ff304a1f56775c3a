"""
The recordings that a fleet computes, from the texts of its command to their names in the output.

``wanted`` reads texts, lists and manifests; ``wanted_listings`` lists the folders where that lies;
``search`` finds recordings in the listings, by the rules of ``recording_files``; and
``recording_names`` names them. ``sources`` does all of it.
"""
