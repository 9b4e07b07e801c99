"""AttnGAN (Xu et al. 2018): text to pictures of three sizes in one step; `program` is torch-free."""
