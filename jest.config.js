/** Tests run as ES modules through SWC; types are checked apart, by `npm run typecheck`. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test', '<rootDir>/packages', '<rootDir>/examples'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: [
    '/node_modules/',
    '/dist/',
    // What only one of the two databases has: roles, several connections, timeouts; files that can be damaged.
    // And once is enough for what has no database at all and takes long.
    ...(process.env.TEST_POSTGRES_URL
      ? ['/database/embedded\\.test\\.ts$', '/signing-keys/model/']
      : ['\\.postgresql\\.test\\.ts$']),
  ],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/packages/[^/]+/dist/', '<rootDir>/examples/[^/]+/dist/'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^@daemun/verify$': '<rootDir>/packages/verify/src/index.ts',
    '^@daemun/verify/(.*)$': '<rootDir>/packages/verify/src/$1.ts',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
  testTimeout: 60_000,
  workerIdleMemoryLimit: '512MB',
};
