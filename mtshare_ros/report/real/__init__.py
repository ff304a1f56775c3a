"""Models on photographs and videos of the real world that package registries carry."""
