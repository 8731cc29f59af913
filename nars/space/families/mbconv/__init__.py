"""FBNetV3's networks: a stem, stages of MBConv blocks, a head."""
