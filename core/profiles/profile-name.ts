/** The names of the client profiles, apart from what they do: a task's own type needs the name only. */
export const profileNames = ['cromwell', 'nextflow', 'snakemake', 'pulsar', 'generic'] as const;
export type ProfileName = (typeof profileNames)[number];
