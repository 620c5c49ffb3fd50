/**
 * How much memory Node uses for an API or a worker. By default, it lets garbage grow with the
 * machine's memory: a worker with 100,000 tasks in flight used 410 MB, and 175 MB with these
 * options, for a tenth more CPU. The cap is far above what the widest scatter needs.
 */
export const SERVICE_NODE_OPTIONS = '--max-semi-space-size=8 --max-old-space-size=1024';
