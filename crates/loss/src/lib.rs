//! Losses of context encoders: reconstruction, adversarial, joint.
