import { describe, expect, test } from 'vitest';
import { ConfigError, envExample, readConfig, settings } from '../../config.ts';

describe('the configuration', () => {
  test('a variable that is not set or empty gives the default', () => {
    expect(readConfig({})).toEqual(readConfig({ BATCHWELL_POLL_MS: '' }));
    expect(readConfig({}).arraySize).toBe(10_000);
  });

  test('all wrong settings are reported together, each with what was expected and without secrets', () => {
    const environment = {
      DATABASE_URL: 'postgres://me:hunter2@db/x',
      REDIS_URL: 'not a url with hunter2',
      BATCHWELL_ARRAY_SIZE: '10001',
      BATCHWELL_POLL_MS: 'soon',
      PORT: '8.5',
      BATCHWELL_CACHE: 'yes',
      BATCHWELL_TOKENS: 'a:hunter2',
      BATCHWELL_REGISTRY_LOGINS: 'ghcr.io=me:hunter2,ghcr.io:hunter2',
      BATCHWELL_QUEUE_ARCHITECTURES: 'fast=amd64',
    };
    const read = () => readConfig(environment);
    expect(read).toThrow(ConfigError);
    expect(read).toThrow('8 settings are not valid:');
    expect(read).toThrow('DATABASE_URL=(not shown): expected a URL that begins with mysql://');
    expect(read).toThrow(
      'REDIS_URL=(not shown): expected a URL that begins with redis:// or rediss://',
    );
    expect(read).toThrow(
      'BATCHWELL_ARRAY_SIZE="10001": expected a whole number from 1 to 10000 (attempts)',
    );
    expect(read).toThrow(
      'BATCHWELL_POLL_MS="soon": expected a whole number from 50 to 600000 (ms)',
    );
    expect(read).toThrow('PORT="8.5": expected a whole number from 0 to 65535');
    expect(read).toThrow(
      'BATCHWELL_CACHE="yes": expected one of off, read, write, readwrite, refresh',
    );
    expect(read).toThrow(
      'BATCHWELL_REGISTRY_LOGINS=(not shown): expected host=user:password in each entry',
    );
    expect(read).toThrow('expected queue=architecture with one of x86-64, arm64, got "fast=amd64"');
    expect(read).not.toThrow('hunter2');
  });

  test('the error for one wrong setting names one setting', () => {
    expect(() => readConfig({ PORT: '-1' })).toThrow('One setting is not valid:\n  PORT="-1"');
  });

  test('a list is read without spaces and empty entries', () => {
    expect(readConfig({ BATCHWELL_TOKENS: ' a:1, b:2,, ' }).tokens).toEqual(['a:1', 'b:2']);
    expect(readConfig({ BATCHWELL_SHARED_FOLDERS: '/mnt/efs, /data' }).sharedFolders).toEqual([
      '/mnt/efs',
      '/data',
    ]);
  });

  test.each(['/', 'efs', '/mnt/', '/mnt/../etc'])('a shared folder %j is refused', (folder) => {
    expect(() => readConfig({ BATCHWELL_SHARED_FOLDERS: `/data,${folder}` })).toThrow(
      `below /, without ".." or a slash at the end, got ${JSON.stringify(folder)}`,
    );
  });

  test.each(Object.entries(settings))(
    '%s is explained in .env.example and accepts its own default',
    (name, { variable, fallback, effect }) => {
      expect(envExample()).toContain(`# ${variable}=`);
      expect(effect).toMatch(/\.$/);
      expect(Reflect.get(readConfig({ [variable]: String(fallback) }), name)).toEqual(fallback);
    },
  );
});
