/**
 * entrypoint.mjs CONFIG: takes the ENTRYPOINT of the image from the start of the container's command,
 * so that it begins with the stager. Changes nothing else, and nothing where the command already does.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';

const FOLDER = '/opt/batchwell';
const COMMAND = [
  `${FOLDER}/lib/ld.so`,
  '--library-path',
  `${FOLDER}/lib`,
  `${FOLDER}/bin/node`,
  `${FOLDER}/stager.mjs`,
];

const [, , file] = process.argv;
const config = JSON.parse(readFileSync(file, 'utf8'));
const args = config.process?.args ?? [];
const from = args.length - COMMAND.length;
const isStager = from > 0 && COMMAND.every((word, at) => args[from + at] === word);
const isOurs = config.mounts?.some(({ destination }) => destination === FOLDER);
if (isStager && isOurs) {
  config.process.args = args.slice(from);
  writeFileSync(`${file}.batchwell`, JSON.stringify(config));
  renameSync(`${file}.batchwell`, file);
}
