/** Names of the client profiles, as they are stored with tasks. */
export const profileNames = ['cromwell', 'nextflow', 'snakemake', 'pulsar', 'generic'] as const;
export type ProfileName = (typeof profileNames)[number];
