import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Tiers whose tests enforce on namespaces of their own. */
const kernel = {
  globalSetup: ['test/build.ts'],
  fileParallelism: false,
  testTimeout: 60_000,
  hookTimeout: 60_000,
}

/**
 * One project a tier, so that each can run alone: `npx vitest run --project kernel`.
 * Tiers that change the kernel or start servers run their files one after the other.
 */
const config: ViteUserConfig = defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts', 'packages/*/test/unit/**/*.test.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'kernel',
          include: ['test/kernel/*.test.ts', 'packages/*/test/kernel/**/*.test.ts'],
          ...kernel,
        },
      },
      {
        extends: true,
        test: {
          name: 'no-gap',
          include: ['test/kernel/no-gap/*.test.ts'],
          ...kernel,
        },
      },
      {
        extends: true,
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          ...kernel,
          globalSetup: ['test/build.ts', 'test/conformance/cyclonus-setup.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'kube',
          include: ['test/kube/**/*.test.ts'],
          globalSetup: ['test/build.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'runtime',
          include: ['test/runtime/**/*.test.ts'],
          globalSetup: ['test/build.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'ovn',
          include: ['test/ovn/**/*.test.ts', 'packages/*/test/ovn/**/*.test.ts'],
          globalSetup: ['test/build.ts', 'test/conformance/cyclonus-setup.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'stock',
          include: ['test/stock/**/*.test.ts'],
          fileParallelism: false,
          isolate: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'image',
          include: ['test/image/**/*.test.ts'],
          globalSetup: ['test/image/image-file.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})

export default config
