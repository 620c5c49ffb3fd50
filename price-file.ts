/** The prices that metrics, page and report show cost by: the built-in ones, or those of the operator's file. */
import { readFile } from 'node:fs/promises';
import { ConfigError, type Config } from './config.ts';
import { builtInPrices, readPrices, type Prices } from './core/cost/prices.ts';

/** @throws ConfigError that names the file, and every wrong field in it */
export async function openPrices({ priceFile }: Pick<Config, 'priceFile'>): Promise<Prices> {
  if (priceFile === '') return builtInPrices;
  try {
    return readPrices(await readFile(priceFile, 'utf8'));
  } catch (error) {
    throw new ConfigError(
      `BATCHWELL_PRICE_FILE=${priceFile} cannot be used: ${(error as Error).message}. ` +
        'See docs/metrics.md for its form.',
      { cause: error },
    );
  }
}
