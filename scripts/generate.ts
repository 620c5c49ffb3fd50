/** Writes every generated file from its source, so that it is never edited by hand. */
import { writeFile } from 'node:fs/promises';
import { envExample } from '../config.ts';
import { writeAlertTests } from './alert-tests.ts';
import { writeClientTypes } from './client-types.ts';
import { writeCompose } from './compose.ts';
import { writeDashboards } from './dashboard.ts';
import { writeDiagram } from './diagram.ts';
import { writePage } from './page.ts';
import { writeLintConfig } from './lint-config.ts';
import { writeRunbookPage } from './runbook.ts';

await writeLintConfig();
await writeDiagram();
writeDashboards();
await writeClientTypes();
writeAlertTests();
writeRunbookPage();
await writeCompose();
await writePage();
await writeFile(new URL('../.env.example', import.meta.url), envExample());
