"""Workers on other machines, through Dask or Ray."""
