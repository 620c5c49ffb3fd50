/** Writes every generated file anew: what is derived from one source is never edited by hand. */
import { writeLintConfig } from './lint-config.ts';

await writeLintConfig();
