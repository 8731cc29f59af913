"""FBNetV3's networks as timm models, their blocks one by one, and timm's names for them."""
