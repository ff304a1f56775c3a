"""Public architectures with random weights, built and saved by the library they come with."""

from functools import cache
import warnings

from safetensors.torch import save_file
import torch

TINY_VIT = {'hidden_size': 64, 'num_hidden_layers': 4, 'num_attention_heads': 1}
SMALL_VIT = {'hidden_size': 384, 'num_hidden_layers': 12, 'num_attention_heads': 6}
IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
UNIT = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)


@cache
def transformers():
    """Return the library, without what it says of image processors that nobody asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import transformers as library
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library


def randomised(model, seed=0):
    """Give every weight a value that shows where it goes: norms, biases and LayerScale too."""
    generator = torch.Generator().manual_seed(seed)

    def noise(value):
        return torch.randn(value.shape, generator=generator)

    with torch.no_grad():
        for name, value in model.named_parameters():
            if 'lambda1' in name or (value.ndim == 1 and name.endswith('weight')):
                value.copy_(1 + 0.3 * noise(value))
            elif value.ndim == 1:
                value.copy_(0.1 * noise(value))
            elif 'token' in name or 'position' in name:
                value.copy_(0.5 * noise(value))
            else:
                value.copy_(noise(value) * value[0].numel() ** -0.5)
    return model.eval()


def saved(model, folder):
    """Write a model as its library does, and return the folder."""
    model.save_pretrained(folder)
    return folder


def dinov2(vit=TINY_VIT, registers=0, grid=8, **settings):
    """Return a DINOv2 backbone."""
    library = transformers()
    values = {**vit, 'image_size': 14 * grid, 'patch_size': 14, **settings}
    if registers:
        return randomised(library.Dinov2WithRegistersModel(
            library.Dinov2WithRegistersConfig(**values, num_register_tokens=registers)))
    return randomised(library.Dinov2Model(library.Dinov2Config(**values)))


def dinov3(vit=TINY_VIT):
    """Return a DINOv3 backbone with four registers."""
    library = transformers()
    return randomised(library.DINOv3ViTModel(library.DINOv3ViTConfig(
        **vit, intermediate_size=4 * vit['hidden_size'], num_register_tokens=4)))


def mae(vit=TINY_VIT):
    """Return a masked autoencoder that masks nothing."""
    library = transformers()
    return randomised(library.ViTMAEModel(library.ViTMAEConfig(
        **vit, intermediate_size=4 * vit['hidden_size'], mask_ratio=0.0)))


def depth_anything(vit=TINY_VIT, taps=(1, 2, 3, 4), grid=8, **settings):
    """Return a Depth Anything model; relative unless the settings say otherwise."""
    library = transformers()
    width = vit['hidden_size']
    return randomised(library.DepthAnythingForDepthEstimation(library.DepthAnythingConfig(
        backbone_config=library.Dinov2Config(
            **vit, image_size=14 * grid, patch_size=14, out_indices=list(taps),
            reshape_hidden_states=False),
        reassemble_hidden_size=width,
        neck_hidden_sizes=[width // 8, width // 4, width // 2, width],
        fusion_hidden_size=max(16, width // 6), head_hidden_size=8, **settings)))


def tips(vit=TINY_VIT, taps=(1, 2, 3, 4), grid=8, classes=21, **settings):
    """Return a TIPSv2 model with heads for semantics, depth and normals."""
    library = transformers()
    width = vit['hidden_size']
    return randomised(library.Tipsv2DptForDensePrediction(library.Tipsv2DptConfig(
        backbone_config=library.Tipsv2VisionConfig(
            **vit, image_size=14 * grid, patch_size=14, out_indices=list(taps),
            reshape_hidden_states=False),
        neck_hidden_sizes=[width // 8, width // 4, width // 2, width],
        fusion_hidden_size=max(16, width // 6), num_labels=classes, **settings)))


def write_linear_head(path, task, inputs, outputs, seed=3):
    """Write one of DINOv2's linear heads, and return its tensors by their names there."""
    generator = torch.Generator().manual_seed(seed)
    name = {'semseg': 'conv_seg', 'depth': 'conv_depth'}[task]
    head = {f'{name}.weight': torch.randn(outputs, inputs, 1, 1, generator=generator) / 8,
            f'{name}.bias': torch.randn(outputs, generator=generator)}
    if task == 'semseg':
        head |= {f'bn.{part}': torch.rand(inputs, generator=generator) + 0.5
                 for part in ('weight', 'bias', 'running_mean', 'running_var')}
    save_file({f'decode_head.{key}': value for key, value in head.items()}, path)
    return head


def an_image(height, width, seed=7):
    """Return an image (1, 3, H, W) of 8-bit RGB as float."""
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 255


def normalised(image, mean_and_std=IMAGENET):
    """Return an image as the library's models want it."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in mean_and_std)
    return (image - mean) / std


def distance(ours, theirs):
    """Return the largest difference, relative to the largest value."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())
