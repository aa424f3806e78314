"""Workers on other machines: the same loop over an engine that people have already.

| file | what it is | file | what it is |
|---|---|---|---|
| engines | what users choose: Dask and Ray | session | the engine as the loop sees it: who has which chunk |
| places | what is known of each place and chunk | unguarded | workers that do not run the script again |
| carrier | what an engine must do: carry bytes | dask, ray | the engines, each the only file that imports its library |
| greeting | what a worker of Dask says of itself | | |
| parcels | jobs and outcomes as bytes | runner, rounds | what workers do with a job, and which runs they know |

    loop --chunk--> session --parcel--> carrier  ~~ network ~~  runner --outcome--> carrier --> session --reply--> loop
"""
