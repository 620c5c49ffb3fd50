/**
 * How much memory Node may take for an API or a worker. By itself it lets garbage grow with the machine's memory: a worker with
 * 100,000 tasks in flight stood at 410 MB, and at 175 MB with these, for a tenth more CPU. The cap is far above what the widest
 * scatter needs.
 */
export const SERVICE_NODE_OPTIONS = '--max-semi-space-size=8 --max-old-space-size=1024';
