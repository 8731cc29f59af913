"""Small spaces that can be listed in full."""

SMALL = """
name: small
architecture:
  in_channels: 1
  classes: 5
  resolution: [20, 24, 27]
  stem: {channels: [8, 12], stride: [1, 2]}
  stages:
    - {kernel: [3, 5], expand: [1, 2.5], channels: [8, 12], depth: [1, 2], stride: 1}
    - {kernel_first: [3, 5], kernel_rest: [3, 7], expand_first: 3, expand_rest: [2, 4], channels: [12, 20],
       depth: [1, 3], stride: 2, se: [false, true], first_padding: [null, 0, 1]}
  head: {expand: [1, 2], channels: 16}
recipe:
  learning_rate: {low: 0.01, high: 0.1, count: 3, scale: log}
  optimizer: [rmsprop, sgd]
"""

SHARED = """
name: shared
architecture:
  resolution: 24
  stem: {channels: [8, 16], activation: [relu, swish]}
  stages:
    - {kernel: [3, 5], expand: 1, channels: {same_as: stem.channels}, depth: [1, 2]}
    - {kernel: {same_as: stage1.kernel}, expand: [2, 6], channels: [16, 24], depth: {same_as: stage1.depth}, stride: 2}
    - {kernel: 3, expand: {same_as: stage2.expand}, channels: {same_as: stage2.channels}, depth: [1, 2], se: true}
  head: {expand: 2, channels: 32}
"""
