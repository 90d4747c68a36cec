#include "train/model/model_info.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/memory/allocator.h"

namespace krait {
namespace {

std::int64_t elements(const std::vector<ModelArray>& arrays) {
  std::int64_t count = 0;
  for (const ModelArray& a : arrays) count += a.shape.numel();
  return count;
}

TEST(ParameterShapes, SizeTheLargestPublishedModelWithoutItsMemory) {
  const Config config = load_config(KRAIT_SOURCE_DIR "/configs/mamba_2.8b.yaml");
  allocator({}).reset_peak();
  const AllocatorStatistics before = allocator({}).statistics();
  const std::vector<ModelArray> arrays = parameter_shapes(config, 50277);
  const AllocatorStatistics after = allocator({}).statistics();
  EXPECT_EQ(elements(arrays), 2768345600);
  EXPECT_EQ(after.peak, before.active);
  EXPECT_EQ(after.driver_calls, before.driver_calls);
  EXPECT_EQ(arrays.front().name, "backbone.embedding.weight");
  EXPECT_EQ(arrays.front().shape, (Shape{50280, 2560}));
  EXPECT_EQ(arrays.front().type, "f32");
  EXPECT_EQ(arrays.back().name, "backbone.norm_f.weight");
}

TEST(ParameterShapes, ComeFromTheWholeConfiguration) {
  Config config;
  config.model.d_model = 16;
  config.model.n_layer = 1;
  const std::int64_t tied = elements(parameter_shapes(config, 257));
  config.model.tie_embeddings = false;
  EXPECT_EQ(elements(parameter_shapes(config, 257)), tied + 264 * 16);
  config.train.precision = Precision::F64;
  EXPECT_EQ(parameter_shapes(config, 257).back().type, "f64");
  config.model.vocab_size = 100;
  EXPECT_THROW(parameter_shapes(config, 257), Error);
}

}  // namespace
}  // namespace krait
