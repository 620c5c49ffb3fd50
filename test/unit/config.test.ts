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

describe('the credentials of the database and of Redis', () => {
  const NASTY = `p@ss:w/o#r%d%41?&=+ "'\\é漢`;
  const decoded = (url: string) => {
    const { username, password, hostname } = new URL(url);
    return [decodeURIComponent(username), decodeURIComponent(password), hostname];
  };

  test('variables of their own fill the URLs, with any characters', () => {
    const { databaseUrl, redisUrl } = readConfig({
      DATABASE_URL: 'mysql://db.example/batchwell?ssl=Amazon%20RDS',
      DATABASE_USER: 'fleet@lab',
      DATABASE_PASSWORD: NASTY,
      REDIS_URL: 'rediss://cache.example:6380',
      REDIS_PASSWORD: NASTY,
    });
    expect(decoded(databaseUrl)).toEqual(['fleet@lab', NASTY, 'db.example']);
    expect(new URL(databaseUrl).searchParams.get('ssl')).toBe('Amazon RDS');
    expect(decoded(redisUrl)).toEqual(['', NASTY, 'cache.example']);
  });

  test('variables of their own replace those of the default URLs', () => {
    const { databaseUrl, redisUrl } = readConfig({ DATABASE_PASSWORD: 'x', REDIS_USER: 'u' });
    expect(decoded(databaseUrl)).toEqual(['batchwell', 'x', '127.0.0.1']);
    expect(decoded(redisUrl)).toEqual(['u', '', '127.0.0.1']);
  });

  test('a variable that says the same as its URL changes nothing', () => {
    const DATABASE_URL = 'mysql://me:a%2Fb@db/x';
    expect(readConfig({ DATABASE_URL, DATABASE_USER: 'me', DATABASE_PASSWORD: 'a/b' })).toEqual({
      ...readConfig({ DATABASE_URL }),
      databaseUser: 'me',
      databasePassword: 'a/b',
    });
  });

  test('a variable that says something else than its URL is an error that names both and shows neither', () => {
    const read = () =>
      readConfig({
        DATABASE_URL: 'mysql://me:hunter2@db/x',
        DATABASE_USER: 'you',
        DATABASE_PASSWORD: 'hunter3',
        REDIS_URL: 'redis://:hunter2@cache',
        REDIS_PASSWORD: 'hunter3',
      });
    expect(read).toThrow('3 settings are not valid:');
    expect(read).toThrow('DATABASE_URL and DATABASE_USER have different users');
    expect(read).toThrow('DATABASE_URL and DATABASE_PASSWORD have different passwords');
    expect(read).toThrow('REDIS_URL and REDIS_PASSWORD have different passwords');
    expect(read).not.toThrow(/hunter/);
  });

  test.each([
    'mysql://me:hunter2%zz@db/x',
    'mysql://me:hunter2#5@db/x',
    'mysql://me:hunter2/5@db/x',
    'mysql://me:hunter2?5@db/x',
  ])('%s, whose password is not encoded, is refused with the way out', (DATABASE_URL) => {
    const read = () => readConfig({ DATABASE_URL });
    expect(read).toThrow('Percent-encode its user and password, or set DATABASE_PASSWORD.');
    expect(read).not.toThrow('hunter2');
  });

  test.each(['true', 'yes', 'Amazon', '[1]', ''])(
    'ssl=%s in DATABASE_URL is refused when the settings are read',
    (ssl) => {
      expect(() => readConfig({ DATABASE_URL: `mysql://db/x?ssl=${ssl}` })).toThrow(
        'expected ssl=Amazon%20RDS, or ssl= and a JSON object',
      );
    },
  );
});
