"""bfloat16 all the way through HTDemucs' convolutional branches while training.

Under autocast PyTorch computes group norms in float32 and writes float32, and LayerScale's float32 parameter promotes what
it multiplies, so that most of the traffic of these memory-bound layers would be float32. The moments are still summed in
float32 inside the kernel; only what is read and written is bfloat16. The file that is exported knows nothing of this.
"""

import types

import torch
from demucs.demucs import LayerScale
from torch import nn
from torch.nn import functional as F


def group_norm(self, x):
    with torch.autocast(x.device.type, enabled=False):
        return F.group_norm(x, self.num_groups, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


def layer_scale(self, x):
    scale = self.scale.to(x.dtype)
    return scale * x if self.channel_last else scale[:, None] * x


def make_lean(model):
    """Changes the forward functions of this model's DConv branches and convolutional layers in place."""
    for layers in (model.encoder, model.decoder, model.tencoder, model.tdecoder):
        for module in layers.modules():
            if isinstance(module, nn.GroupNorm):
                module.forward = types.MethodType(group_norm, module)
            elif isinstance(module, LayerScale):
                module.forward = types.MethodType(layer_scale, module)
