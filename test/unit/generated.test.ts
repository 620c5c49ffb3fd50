/** Generated files are in the repository for readers, so they must match their source. */
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { envExample, settings } from '../../config.ts';
import { moves, places } from '../../core/places.ts';
import { clientTypes } from '../../scripts/client-types.ts';
import { withSettings } from '../../scripts/compose.ts';
import { diagram, withDiagram } from '../../scripts/diagram.ts';
import { pageFiles } from '../../scripts/page.ts';
import { lintConfig } from '../../scripts/lint-config.ts';

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('files written by `npm run generate`', () => {
  it('ARCHITECTURE.md has the diagram of the table of moves', async () => {
    const page = await read('ARCHITECTURE.md');
    expect(page).toBe(withDiagram(page));
  });

  it('.env.example has every setting of config.ts', async () => {
    const text = await read('.env.example');
    expect(text).toBe(envExample());
    for (const { variable } of Object.values(settings)) expect(text).toContain(`# ${variable}=`);
  });

  it('docker-compose.yml passes every setting to the containers of the fleet', async () => {
    const page = await read('docker-compose.yml');
    expect(page).toBe(withSettings(page));
    for (const { variable } of Object.values(settings))
      expect(page).toMatch(new RegExp(`^    ${variable}:`, 'm'));
  });

  it('packages/client/types.generated.ts has the types of the API description', async () => {
    expect(await read('packages/client/types.generated.ts')).toBe(clientTypes());
  });

  it('web/built has the page of its sources, in less than 100 kB', async () => {
    const files = await pageFiles();
    expect(Object.keys(files)).toEqual(['app.js', 'app.css', 'index.html']);
    for (const [name, text] of Object.entries(files))
      expect(await read(`web/built/${name}`), name).toBe(text);
    expect(gzipSync(files['app.js'] ?? '').length).toBeLessThan(100_000);
  });

  it('.oxlintrc.json has every import rule', async () => {
    expect(JSON.parse(await read('.oxlintrc.json'))).toEqual(
      JSON.parse(JSON.stringify(lintConfig)),
    );
  });
});

it('the diagram shows every move and every place', () => {
  const text = diagram();
  for (const name of Object.keys(moves)) expect(text).toContain(`"${name}: `);
  for (const place of places) expect(text).toContain(`[${place}]`);
});

it('a page without the markers is refused and not written', () => {
  expect(() => withDiagram('# Batchwell\n')).toThrow('lacks the marker');
});
