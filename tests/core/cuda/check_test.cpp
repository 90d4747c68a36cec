#include "core/cuda/check.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/support/device.h"

namespace krait::cuda {
namespace {

Error thrown(cudaError_t status) {
  try {
    check_status(status, "cudaSomething(x)", "file.cpp:7");
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::Contract, ""};
}

// The runtime knows its errors without a driver.
TEST(CudaCheck, SuccessPassesAndErrorsNameTheCall) {
  check_status(cudaSuccess, "cudaSomething(x)", "file.cpp:7");
  const Error e = thrown(cudaErrorInvalidValue);
  EXPECT_NE(std::string(e.what()).find("cudaErrorInvalidValue"), std::string::npos) << e.what();
  EXPECT_NE(std::string(e.what()).find("cudaSomething(x)"), std::string::npos) << e.what();
  EXPECT_EQ(e.where(), "file.cpp:7");
}

TEST(CudaCheck, WhatTheMachineLacksIsNoBugOfOurs) {
  EXPECT_EQ(thrown(cudaErrorMemoryAllocation).kind(), ErrorKind::Io);
  EXPECT_EQ(thrown(cudaErrorNoDevice).kind(), ErrorKind::Io);
  EXPECT_EQ(thrown(cudaErrorInsufficientDriver).kind(), ErrorKind::Io);
  const Error older = thrown(cudaErrorNoKernelImageForDevice);
  EXPECT_EQ(older.kind(), ErrorKind::Io);
  EXPECT_NE(std::string(older.what()).find("KRAIT_CUDA_ARCHITECTURES"), std::string::npos);
  EXPECT_EQ(thrown(cudaErrorInvalidValue).kind(), ErrorKind::Contract);
  EXPECT_EQ(thrown(cudaErrorIllegalAddress).kind(), ErrorKind::Contract);
}

TEST(GpuCudaCheck, AnErrorIsReportedOnce) {
  KRAIT_SKIP_WITHOUT_GPU();
  EXPECT_THROW(KRAIT_CUDA_CHECK(cudaSetDevice(100)), Error);
  KRAIT_CUDA_CHECK_LAUNCH("nothing");  // does not find it again
}

}  // namespace
}  // namespace krait::cuda
