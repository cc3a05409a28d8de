/* A shared object that is no transport wrapper. */
int no_wrapper_at_all(void);
int no_wrapper_at_all(void)
{
    return 0;
}
