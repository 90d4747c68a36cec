#pragma once
#include <cstdint>
#include <optional>

#include "autograd/operations/norm.h"
#include "core/tensor/dtype.h"

namespace krait {

/// The shape of a Mamba-1 model and its initialisation. Defaults are the published ones (Gu & Dao
/// 2023, arXiv:2312.00752; official config.json). In a configuration a vocab_size of 0 stands for
/// that of the data.
struct MambaConfig {
  std::int64_t d_model = 768;
  std::int64_t n_layer = 24;
  std::int64_t vocab_size = 0;
  std::int64_t pad_vocab_multiple = 8;  // the embedding has rows up to the next multiple
  std::int64_t d_state = 16;
  std::int64_t expand = 2;
  std::int64_t d_conv = 4;
  std::int64_t dt_rank = 0;  // 0: ceil(d_model / 16)
  double dt_min = 1e-3, dt_max = 0.1, dt_init_floor = 1e-4;
  bool tie_embeddings = true;
  bool conv_bias = true;   // of the convolution
  bool proj_bias = false;  // of in_proj and out_proj
  bool norm_bcdt = false;  // B, C and dt go through an RMSNorm without weight: FalconMamba
  double bcdt_eps = 1e-6;  // (arXiv:2410.05355), and its epsilon
  NormKind norm = NormKind::Rms;
  double norm_eps = 1e-5;
  bool rescale_prenorm_residual = true;  // out_proj starts 1/sqrt(n_layer) smaller
  double initializer_range = 0.02;       // standard deviation of the embedding
  double dropout = 0;                    // on each block's output
  DType dtype = DType::F32;              // of parameters, residual stream and states
  std::optional<DType> compute;          // of activations and matrix weights; default: dtype

  DType compute_dtype() const { return compute.value_or(dtype); }
  std::int64_t d_inner() const { return expand * d_model; }
  std::int64_t rank() const { return dt_rank > 0 ? dt_rank : (d_model + 15) / 16; }
  std::int64_t padded_vocab() const {
    return (vocab_size + pad_vocab_multiple - 1) / pad_vocab_multiple * pad_vocab_multiple;
  }
};

}  // namespace krait
